"""Workflows that are one verb on the server's host: start, stop, reboot and their like.

Owns: their common shape. On failure the server is in the stable state it was in before, and the
instance action says what went wrong: a guest that may have obeyed after all is found by the
power-state report of its host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from common.domain.power import STOPPED
from common.domain.states import VmState
from common.errors import Conflict, MusterError
from common.messages.compute import HostReply
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import provisioning


async def _always(_context: Context) -> bool:
    return True


async def _nothing(_context: Context, _host: str) -> dict[str, Any]:
    return {}


def one_command(
    kind: str,
    *,
    event: str,
    verb: str,
    done: Callable[[Context, HostReply], dict[str, Any]],
    params: Callable[[Context, str], Awaitable[dict[str, Any]]] = _nothing,
    needed: Callable[[Context], Awaitable[bool]] = _always,
    on_failure: VmState | None = None,
    deadline_s: float = 60.0,
) -> Definition:
    """A workflow that tells the host `verb` and then writes `done(context, reply)` columns.

    `params`: the arguments of the verb, for that host. `needed`: False ends it with nothing done.
    `on_failure`: the vm_state after a failure; None leaves the one it was in.
    """

    async def command(context: Context) -> None:
        started = context.deps.clock.monotonic()
        server, host = context.server, context.server.host
        if host is None:
            raise Conflict(f"Instance {server.uuid} is not ready")
        if not await needed(context):
            context.event(event, host, started)
            context.change_server(task_state=None)
            return
        reply = await provisioning.command(
            context, verb, host=host, generation=server.generation, **await params(context, host)
        )
        context.event(event, host, started)
        columns = done(context, reply)
        context.change_server(task_state=None, power_state=reply.power_state, **columns)
        vm_state = columns.get("vm_state", server.vm_state)
        if reply.power_state is not None and (vm_state, reply.power_state) in STOPPED:
            context.recheck(host)  # it said that it was done; have it look again

    def failed(context: Context) -> None:
        error = context.error or MusterError()
        context.event(event, context.server.host, error=error)
        context.change_server(task_state=None)
        if on_failure is not None:
            context.change_server(vm_state=on_failure, fault=context.fault(error))

    return Definition(kind, (Step(verb, command, deadline_s=deadline_s),), failed=failed)

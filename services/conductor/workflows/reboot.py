"""Reboot a server: */rebooting[_hard] -> active.

    soft   ask the guest to restart; one that does not within `conductor.soft_reboot_timeout_s`,
           or cannot, is rebooted hard
    volumes   of a server in error: who knows which host they are connected to; a second attachment
           of each                                          undo: delete them
    hard   cut its power and start it with its volumes, when that was asked for or soft did not do
    let_volumes_go   attachments that were replaced are deleted

Input: state {"type": "SOFT" | "HARD"}.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import structlog

from common.domain.states import VmState
from common.errors import Conflict, HostCommandFailed, MusterError, Timeout
from common.messages.compute import HostReply
from services.conductor.engine.context import Context, HostDown
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import volumes

log = structlog.get_logger(__name__)

EVENT = "compute_reboot_instance"


async def soft(context: Context) -> None:
    state, server = context.state, context.server
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    context.event_start(EVENT, server.host)
    state["reconnect"] = server.vm_state == VmState.ERROR and volumes.needed(context)
    if state.get("type", "SOFT") == "HARD":
        return
    try:
        async with asyncio.timeout(context.deps.settings.conductor.soft_reboot_timeout_s):
            reply = await _reboot(context, server.host, "soft")
    except HostDown:
        raise
    except (HostCommandFailed, Conflict, Timeout, TimeoutError) as error:
        log.info("soft_reboot_failed", server=str(server.uuid), error=repr(error))
        await context.command("cancel", host=server.host, generation=server.generation)
    else:
        state["power_state"] = reply.power_state


def _reconnects(context: Context) -> bool:
    return bool(context.state.get("reconnect"))


async def connect(context: Context) -> None:
    assert context.server.host is not None, "the first step has checked it"
    await volumes.attach_at(context, context.server.host)


async def hard(context: Context) -> None:
    state, host = context.state, context.server.host
    assert host is not None, "the first step has checked it"
    if "power_state" not in state:
        disks = await volumes.for_destination(context)
        known = {"volumes": [disk.model_dump() for disk in disks]} if disks else {}
        reply = await _reboot(context, host, "hard", **known)
        state["power_state"] = reply.power_state
    volumes.adopt(context)
    context.event_finish(EVENT)
    context.change_server(
        vm_state=VmState.ACTIVE, task_state=None, power_state=state["power_state"], fault=None
    )


async def _reboot(context: Context, host: str, kind: str, **more: Any) -> HostReply:
    generation = context.server.generation
    return await context.command("reboot", host=host, generation=generation, kind=kind, **more)


def failed(context: Context) -> None:
    error, server = context.error or MusterError(), context.server
    if context.failed_step == "soft":  # what it started was not committed
        context.event(EVENT, server.host, error=error)
    else:
        context.event_finish(EVENT, error)
    context.change_server(task_state=None)


REBOOT = Definition(
    "reboot",
    (
        Step("soft", soft, deadline_s=150.0),
        Step(
            "volumes",
            connect,
            volumes.let_go,
            deadline_s=120,
            needed=_reconnects,
            left=volumes.left,
        ),
        Step("hard", hard, deadline_s=120.0, pivot=True),
        replace(volumes.LET_GO, needed=_reconnects),
    ),
    failed=failed,
)

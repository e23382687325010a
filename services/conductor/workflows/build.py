"""Build a server: from a row in BUILD to a running guest, or to ERROR with the reason.

    schedule   claim a host                    undo: give the claim back
    network    ports, bound to the host        undo: delete them, unbind the user's own
    volumes    made where asked for, connected to the host
               undo: reserved again without a host when another is tried; else those that were made
               are deleted, the user's own are free
    spawn      the guest is made there, held   undo: destroy it
    activate   its ports carry traffic; with this commit the guest is the server's and may execute

A host that cannot do it, or is down, is left out and the schedule step is taken again, up to
`conductor.max_attempts` hosts. What a silent host may have made has never executed and never will.
Input: state {"force_host", "requested_host", "availability_zone", "security_group_ids",
"sealed_token", "sealed_secrets": password and injected files}, all optional.
"""

from __future__ import annotations

from common.db.stores.commit import CLAIMED_HOST, NOW, Leftover
from common.domain.block_devices import attached
from common.domain.states import TaskState, VmState
from common.errors import HostCommandFailed, MusterError, NoValidHost, Timeout
from services.conductor.engine.context import Context, Overtaken
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import making_volumes, placing, ports, volumes
from services.conductor.workflows.plugging import plugged

EVENT = "compute__do_build_and_run_instance"
VOLUMES_WITHIN_S = 240.0
"""Volumes that are made from large images take their time."""


async def schedule(context: Context) -> None:
    state, server = context.state, context.server
    await placing.claim_host(
        context,
        called="host",
        force_host=state.get("force_host"),
        requested_host=state.get("requested_host"),
        availability_zone=state.get("availability_zone"),
        exclude_hosts=state.get("failed_hosts", []),
    )
    state["generation"] = server.last_generation + 1
    context.event_start(EVENT, CLAIMED_HOST)
    context.change_server(
        **placing.PLACED, last_generation=state["generation"], task_state=TaskState.NETWORKING
    )


async def schedule_undo(context: Context) -> None:
    if not context.goes_on and attached(context.server.block_devices):
        await making_volumes.unmake(context)  # no host was found: they are reserved in vain
    context.release_claims()
    context.change_server(host=None, node=None, task_state=TaskState.SCHEDULING)


async def network(context: Context) -> None:
    context.change_server(network_info=await ports.plug(context, context.state["host"]))
    if context.server.volumes:
        context.change_server(task_state=TaskState.BLOCK_DEVICE_MAPPING)


async def network_undo(context: Context) -> None:
    await ports.unplug(context)
    context.change_server(network_info=[])


async def connect(context: Context) -> None:
    deps, how = context.deps, await volumes.connector(context, context.state["host"])
    disks = [await making_volumes.make(context, device) for device in context.server.volumes]
    for disk in disks:
        assert disk.volume_id is not None, "it was made"
        await making_volumes.wait(context, disk.volume_id)
    for device, attachment_id in await volumes.reserve(context, disks):
        await volumes.connect(context, device, attachment_id, how)
        await deps.volume.attachment_complete(attachment_id)
    context.change_server(task_state=TaskState.SPAWNING)


async def connect_undo(context: Context) -> None:
    if context.goes_on:
        await volumes.reserve_anew(context)
    else:
        await making_volumes.unmake(context)


def connect_left(context: Context) -> list[Leftover]:
    return [*volumes.left(context), *making_volumes.made_left(context)]


async def spawn(context: Context) -> None:
    host, generation = context.state["host"], context.state["generation"]
    reply = await placing.make_guest(context, host=host, generation=generation)
    context.state["power_state"] = reply.power_state


async def spawn_undo(context: Context) -> None:
    host = context.state["host"]
    if context.failed_step == "spawn" and not isinstance(context.error, Overtaken):
        context.changes.failed_on = host
    await placing.destroy_guest(context, host=host, generation=context.state["generation"])


async def activate(context: Context) -> None:
    host, generation = context.state["host"], context.state["generation"]
    await plugged(context)
    context.changes.built_on = host
    context.event_finish(EVENT)
    context.change_server(
        generation=generation,
        vm_state=VmState.ACTIVE,
        task_state=None,
        power_state=context.state["power_state"],
        launched_at=NOW,
    )
    context.let_execute(host, generation)


def spawn_left(context: Context) -> list[Leftover]:
    return placing.guest_left(context.state["host"], context.state["generation"])


def reroute(context: Context, error: Exception) -> str | None:
    """Another host, unless it is not the host's fault or enough were tried. Ports that cannot be
    bound to this one may be to another; ports that were bound and stay dead are no host's fault."""
    theirs: dict[str, tuple[type[MusterError], ...]] = {
        "network": (HostCommandFailed,),
        "volumes": (HostCommandFailed,),  # a Timeout is the volume service's
        "spawn": (HostCommandFailed, Timeout),
    }
    if not isinstance(error, theirs.get(context.step_name, ())):
        return None
    state = context.state
    state["failed_hosts"] = [*state.get("failed_hosts", []), state["host"]]
    state["last_host_error"] = str(error)
    context.event_finish(EVENT, error)
    if len(state["failed_hosts"]) >= context.deps.settings.conductor.max_attempts:
        return None
    return "schedule"


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if context.server.last_generation:  # it had been scheduled, the last time perhaps in vain
        context.event_finish(EVENT, error)
    if (last := context.state.get("last_host_error")) is not None:
        tried = len(context.state["failed_hosts"])
        error = NoValidHost(
            "No valid host was found. MaxRetriesExceeded: "
            f"{tried} host(s) failed to build the server, the last with: {last}"
        )
    context.change_server(
        vm_state=VmState.ERROR, task_state=None, host=None, node=None, fault=context.fault(error)
    )


BUILD = Definition(
    "build",
    (
        Step("schedule", schedule, schedule_undo, deadline_s=60, left=connect_left),
        Step("network", network, network_undo, deadline_s=60, durable=False, left=ports.left),
        Step(
            "volumes",
            connect,
            connect_undo,
            deadline_s=VOLUMES_WITHIN_S,
            undo_deadline_s=60,
            needed=volumes.needed,
            left=connect_left,
        ),
        Step("spawn", spawn, spawn_undo, deadline_s=120, durable=False, left=spawn_left),
        Step("activate", activate, deadline_s=600),
    ),
    failed=failed,
    reroute=reroute,
)

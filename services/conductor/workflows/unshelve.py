"""Bring a shelved server back.

    schedule    claim a host (unless it still has its own)      undo: give the claim back
    network     bind the ports there                            undo: unbind them
    volumes     a second attachment of each, there              undo: delete them
    spawn       the guest is made from the shelved image, held, or is switched on where it is; with
                this commit the server is back                  undo: destroy it, or switch it off
    forget      remove the shelved image
    let_volumes_go   the attachments that had reserved them are deleted

Input: state {"availability_zone", "host"}, both optional.
"""

from __future__ import annotations

from common.db.stores.commit import CLAIMED_HOST, NOW, Leftover
from common.domain.states import TaskState, VmState
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging, placing, ports, volumes

EVENT = "compute_unshelve_instance"
START_EVENT = "compute_start_instance"
SCHEDULE_EVENTS = ("schedule_instances", "get_image_info")


async def schedule(context: Context) -> None:
    state, server = context.state, context.server
    state.setdefault("offloaded", server.host is None)
    if not state["offloaded"]:
        state.update(dest=server.host, generation=server.generation)
        context.event_start(START_EVENT, server.host)
        context.change_server(task_state=TaskState.POWERING_ON)
        return
    started = context.deps.clock.monotonic()
    await placing.claim_host(
        context,
        called="dest",
        requested_host=state.get("host"),
        availability_zone=state.get("availability_zone") or server.pinned_availability_zone,
    )
    state["generation"] = server.last_generation + 1
    for event in SCHEDULE_EVENTS:
        context.event(event, None, started)
    context.event_start(EVENT, CLAIMED_HOST)
    context.change_server(last_generation=state["generation"], task_state=TaskState.SPAWNING)


async def schedule_undo(context: Context) -> None:
    if context.state.get("offloaded"):
        context.release_claims()


async def network(context: Context) -> None:
    if context.state["offloaded"]:
        await ports.rebind(context, context.state["dest"])


async def network_undo(context: Context) -> None:
    if context.state["offloaded"]:
        await ports.rebind(context, "")


async def connect(context: Context) -> None:
    await volumes.attach_at(context, context.state["dest"])


def _needs_volumes(context: Context) -> bool:
    return bool(context.state.get("offloaded")) and volumes.needed(context)


async def spawn(context: Context) -> None:
    state, server = context.state, context.server
    if state["offloaded"]:
        reply = await placing.make_guest(
            context,
            host=state["dest"],
            generation=state["generation"],
            image_id=server.system_metadata.get("shelved_image_id"),
            by=state.get(volumes.ATTACHMENTS),
        )
        volumes.adopt(context)
        context.event_finish(EVENT)
        context.change_server(host=state["dest"], node=state["node"])
        context.let_execute(state["dest"], state["generation"])
    else:
        reply = await context.command(
            "power_on", host=state["dest"], generation=state["generation"]
        )
        context.event_finish(START_EVENT)
    state["image_id"] = server.system_metadata.get("shelved_image_id")
    kept = {k: v for k, v in server.system_metadata.items() if not k.startswith("shelved_")}
    context.change_server(
        generation=state["generation"],
        vm_state=VmState.ACTIVE,
        task_state=TaskState.SPAWNING,
        power_state=reply.power_state,
        launched_at=NOW,
        system_metadata=kept,
        fault=None,
    )


async def spawn_undo(context: Context) -> None:
    state = context.state
    if state["offloaded"]:
        await placing.destroy_guest(context, host=state["dest"], generation=state["generation"])
    else:  # the image is the server still: what the guest writes would be lost
        await context.command("power_off", host=state["dest"], generation=state["generation"])


def spawn_left(context: Context) -> list[Leftover]:
    state = context.state
    return placing.guest_left(state["dest"], state["generation"]) if state["offloaded"] else []


async def forget(context: Context) -> None:
    await imaging.remove(context, context.state.get("image_id"))
    back(context)


def back(context: Context) -> None:
    context.change_server(task_state=None)


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if "dest" in context.state:
        context.event_finish(EVENT if context.state["offloaded"] else START_EVENT, error)
    else:
        context.event(SCHEDULE_EVENTS[0], None, error=error)
    context.change_server(task_state=None)


UNSHELVE = Definition(
    "unshelve",
    (
        Step("schedule", schedule, schedule_undo, deadline_s=60),
        Step("network", network, network_undo, deadline_s=60, durable=False, left=ports.left),
        Step(
            "volumes",
            connect,
            volumes.let_go,
            deadline_s=120,
            needed=_needs_volumes,
            left=volumes.left,
        ),
        Step("spawn", spawn, spawn_undo, deadline_s=120, pivot=True, left=spawn_left),
        Step("forget", forget, deadline_s=60, otherwise=back, left=imaging.left),
        volumes.LET_GO,
    ),
    failed=failed,
)

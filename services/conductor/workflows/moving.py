"""What all moves of a server between hosts share.

Owns: the migration row's columns, the destination's claim and guest, their undoing.
May not: decide states of the server. Crash story: the destination, its claim and the generation
promised to it are in the workflow's state from the first step on.

A move claims the destination under purpose "migration" and keeps the claim on the source until
the move is settled; then the commit turns one into the other (`Changes.promote`). The guest at the
destination is held until the commit that makes it the server's; before that the source may go on at
any moment.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from common.db.stores.claims import Purpose
from common.db.stores.commit import CLAIMED_HOST, CLAIMED_NODE, Leftover
from common.errors import HostCommandFailed, Timeout
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Step
from services.conductor.workflows import placing, ports, volumes


def migration(context: Context, **columns: object) -> None:
    """Columns of the migration row to write with this step."""
    if uuid := context.state.get("migration_uuid"):
        context.changes.migration_uuid = UUID(uuid)
        context.changes.migration.update(columns)


async def choose_destination(
    context: Context,
    *,
    flavor: dict[str, Any] | None = None,
    same_host: bool = False,
    purpose: Purpose = "migration",
) -> None:
    """Claim a host (`state["dest"]`), promise it the next generation, write both down."""
    state, server = context.state, context.server
    state.setdefault("source", server.host)
    state.setdefault("source_generation", server.generation)
    target = state.get("host")
    exclude = [] if same_host or not state["source"] else [state["source"]]
    await placing.claim_host(
        context,
        called="dest",
        force_host=target if state.get("force") else None,
        requested_host=None if state.get("force") else target,
        availability_zone=server.pinned_availability_zone,
        exclude_hosts=[*exclude, *state.get("failed_hosts", [])],
        purpose=purpose,
        flavor=flavor,
    )
    state["generation"] = server.last_generation + 1
    context.change_server(last_generation=state["generation"])
    migration(context, dest_compute=CLAIMED_HOST, dest_node=CLAIMED_NODE)


async def choose_destination_undo(context: Context) -> None:
    context.release_claims(purpose="migration")


async def prepare(context: Context, flavor: dict[str, Any] | None = None) -> None:
    """Reserve the guest on the destination."""
    state, server = context.state, context.server
    if flavor is not None:
        server = placing.with_flavor(server, flavor)
    await context.command(
        "prepare_destination",
        host=state["dest"],
        generation=state["generation"],
        spec=placing.guest_spec(
            server,
            state["generation"],
            power_on=False,
            disks=await volumes.for_destination(context),
        ),
    )


async def destroy_at_destination(context: Context) -> None:
    """What was made there never executed."""
    state = context.state
    await placing.destroy_guest(context, host=state["dest"], generation=state["generation"])


def left_at_destination(context: Context) -> list[Leftover]:
    return placing.guest_left(context.state.get("dest"), context.state.get("generation", 0))


async def return_to_source(context: Context, *, power_on: bool) -> None:
    """Let the guest that was moved out go on where it was, as the generation it was. It is the
    server's still, so it executes at once."""
    state = context.state
    await context.command(
        "revert_migration",
        host=state["source"],
        generation=state["source_generation"],
        new_generation=state["source_generation"],
        power_on=power_on,
        held=False,
    )


async def rebind_to_source(context: Context) -> None:
    await ports.rebind(context, context.state["source"])


async def connect_destination(context: Context) -> None:
    """A second attachment of each volume, for the destination."""
    await volumes.attach_at(context, context.state["dest"])


CONNECT = Step(
    "volumes",
    connect_destination,
    volumes.let_go,
    deadline_s=120,
    needed=volumes.needed,
    left=volumes.left,
)
"""For moves: up to the pivot, whose commit adopts the attachments."""


def another_destination(context: Context, error: Exception) -> str | None:
    """A destination that cannot prepare is left out and another is chosen, within the attempts."""
    if context.step_name != "prepare" or not isinstance(error, HostCommandFailed | Timeout):
        return None
    state = context.state
    state["failed_hosts"] = [*state.get("failed_hosts", []), state["dest"]]
    if len(state["failed_hosts"]) >= context.deps.settings.conductor.max_attempts:
        return None
    return "schedule"

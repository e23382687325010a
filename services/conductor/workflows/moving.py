"""What all moves of a server between living hosts share.

Owns: the migration row's columns, the destination's claim and guest, their undoing.
May not: decide states of the server. Crash story: the destination, its claim and the generation
promised to it are in the workflow's state from the first step on.

A move claims the destination under purpose "migration" and keeps the claim on the source until
the move is settled; `claims.promote` then turns one into the other.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from common.db.stores import claims
from common.errors import HostCommandFailed, Timeout
from services.conductor.engine.context import Context
from services.conductor.workflows import placing, ports


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
    purpose: claims.Purpose = "migration",
) -> None:
    """Claim a host, promise it the next generation, write both down."""
    state, server = context.state, context.server
    state.setdefault("source", server.host)
    state.setdefault("source_generation", server.generation)
    target = state.get("host")
    exclude = [] if same_host or not state["source"] else [state["source"]]
    selected = await placing.select_host(
        context,
        force_host=target if state.get("force") else None,
        requested_host=None if state.get("force") else target,
        availability_zone=server.pinned_availability_zone,
        exclude_hosts=[*exclude, *state.get("failed_hosts", [])],
        purpose=purpose,
        flavor=flavor,
    )
    generation = server.last_generation + 1
    state.update(dest=selected.host, node=selected.node, generation=generation)
    context.change_server(last_generation=generation)
    migration(context, dest_compute=selected.host, dest_node=selected.node)


async def choose_destination_undo(context: Context) -> None:
    if not has_moved(context):
        await claims.release(context.deps.pool, context.server.uuid, purpose="migration")


def has_moved(context: Context) -> bool:
    """The new guest is the server: there is nothing to go back to."""
    return context.server.generation == context.state.get("generation")


async def prepare(context: Context, flavor: dict[str, Any] | None = None) -> None:
    """Reserve the guest on the destination."""
    state, server = context.state, context.server
    if flavor is not None:
        server = placing.with_flavor(server, flavor)
    await context.command(
        "prepare_destination",
        host=state["dest"],
        generation=state["generation"],
        spec=placing.guest_spec(server, state["generation"], power_on=False),
    )


async def prepare_undo(context: Context) -> None:
    state = context.state
    if not has_moved(context):
        await placing.destroy_guest(context, host=state["dest"], generation=state["generation"])


async def return_to_source(context: Context, *, power_on: bool) -> None:
    """Let the guest that was moved out go on where it was, as the generation it was.

    The destination's guest may run already, unknown to us: it goes first, or two would run.
    """
    state = context.state
    if has_moved(context):
        return
    await placing.destroy_guest(context, host=state["dest"], generation=state["generation"])
    await context.command(
        "revert_migration",
        host=state["source"],
        generation=state["source_generation"],
        new_generation=state["source_generation"],
        power_on=power_on,
    )


async def rebind_to_source(context: Context) -> None:
    if not has_moved(context):
        await ports.rebind(context, context.state["source"])


def another_destination(context: Context, error: Exception) -> str | None:
    """A destination that cannot prepare is left out and another is chosen, within the attempts."""
    if context.step_name != "prepare" or not isinstance(error, HostCommandFailed | Timeout):
        return None
    state = context.state
    state["failed_hosts"] = [*state.get("failed_hosts", []), state["dest"]]
    if len(state["failed_hosts"]) >= context.deps.settings.conductor.max_attempts:
        return None
    return "schedule"

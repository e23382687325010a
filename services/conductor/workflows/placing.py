"""Steps that several workflows share: claim a host, make a guest there, give a claim back.

Owns: how the scheduler is asked, how a guest is described and spawned.
May not: decide states. Crash story: a claim is found again by its server, a guest by its
generation, so each step may be repeated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from common.db.stores.claims import Purpose
from common.domain.server import Server
from common.errors import Bug, HostCommandFailed, NotFound, NoValidHost, Unavailable
from common.messages.compute import GuestSpec, HostReply, NetworkInterface
from common.messages.scheduler import HostSelected, SelectHost
from services.conductor.engine.context import Context, HostDown


async def select_host(
    context: Context,
    *,
    force_host: str | None = None,
    requested_host: str | None = None,
    availability_zone: str | None = None,
    exclude_hosts: Sequence[str] = (),
    purpose: Purpose = "server",
    flavor: dict[str, Any] | None = None,
) -> HostSelected:
    """A claimed host for the server (as it would be with `flavor`); raises NoValidHost with the
    scheduler's reason."""
    server = context.server
    if flavor is not None:
        server = with_flavor(server, flavor)
    selected = await context.call_scheduler(
        SelectHost(
            request_id=context.workflow.request_id,
            workflow_id=context.workflow.id,
            server_uuid=str(server.uuid),
            project_id=server.project_id,
            vcpus=server.vcpus,
            memory_mib=server.memory_mib,
            disk_gib=server.disk_gib,
            purpose=purpose,
            flavor=server.flavor,
            image_properties=server.image_properties,
            availability_zone=availability_zone,
            force_host=force_host,
            requested_host=requested_host,
            exclude_hosts=list(exclude_hosts),
            scheduler_hints=server.scheduler_hints,
            server_group=str(server.server_group) if server.server_group else None,
        )
    )
    if not isinstance(selected, HostSelected):
        raise Bug(f"the scheduler answered with {selected.TYPE}")
    if selected.host is None:
        raise NoValidHost(selected.reason or "No valid host was found.")
    return selected


def flavor_columns(flavor: dict[str, Any]) -> dict[str, Any]:
    """The columns of a server that its flavor decides."""
    sizes = ("vcpus", "memory_mib", "root_gib", "ephemeral_gib", "swap_mib")
    return {"flavor": flavor, "flavorid": flavor["id"], **{name: flavor[name] for name in sizes}}


def with_flavor(server: Server, flavor: dict[str, Any]) -> Server:
    """The server as it would be."""
    return dataclasses.replace(server, **flavor_columns(flavor))


def guest_spec(server: Server, generation: int, *, power_on: bool) -> GuestSpec:
    """The server as a driver needs to know it."""
    return GuestSpec(
        uuid=str(server.uuid),
        generation=generation,
        name=server.name,
        hostname=server.hostname,
        project_id=server.project_id,
        user_id=server.user_id,
        vcpus=server.vcpus,
        memory_mib=server.memory_mib,
        root_gib=server.root_gib,
        ephemeral_gib=server.ephemeral_gib,
        swap_mib=server.swap_mib,
        flavor=server.flavor,
        image_id=server.image_ref,
        image_properties=server.image_properties,
        interfaces=[
            NetworkInterface(
                port_id=vif["port_id"],
                mac_address=vif["mac"],
                network_id=vif["network_id"],
                fixed_ips=[ip["address"] for ip in vif["fixed_ips"]],
            )
            for vif in server.network_info
        ],
        metadata=server.metadata,
        key_name=server.key_name,
        public_key=server.key_data,
        user_data=server.user_data,
        config_drive=bool(server.config_drive),
        power_on=power_on,
    )


async def spawn_guest(
    context: Context,
    *,
    host: str,
    generation: int,
    power_on: bool = True,
    image_id: str | None = None,
    flavor: dict[str, Any] | None = None,
) -> HostReply:
    """Make the guest on `host`; a guest of this generation that is there already is the answer.
    `image_id` and `flavor` take the place of the server's own."""
    server = context.server
    if flavor is not None:
        server = with_flavor(server, flavor)
    if image_id is not None:
        server = dataclasses.replace(server, image_ref=image_id)
    spec = guest_spec(server, generation, power_on=power_on)
    return await context.command("spawn", host=host, generation=generation, spec=spec)


async def destroy_guest(context: Context, *, host: str, generation: int) -> None:
    """Remove the guest. A host that is down does it when it comes back: it asks about its guests
    before it serves, and is told that this generation is over."""
    try:
        await context.command("destroy", host=host, generation=generation)
    except HostDown:
        return


async def guest_is_there(context: Context, host: str, generation: int) -> bool:
    """False also when the host is down: then it is told what became of its guest."""
    try:
        await context.command("guest_info", host=host, generation=generation)
    except (NotFound, HostCommandFailed):
        return False
    return True


async def generation_on(context: Context, host: str, *, otherwise: int) -> int:
    """Which of the server's guests the host has now; `otherwise` when it has none or cannot be
    asked (then it is believed when it reports)."""
    try:
        reply = await context.command("guest_info", host=host, generation=otherwise)
    except (NotFound, HostCommandFailed, Unavailable):
        return otherwise
    generation: int = reply.result["generation"]
    return generation

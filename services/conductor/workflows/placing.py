"""Steps that several workflows share: claim a host, make a guest there, end one.

Owns: how the scheduler is asked, how a guest is described, made and destroyed.
May not: decide states. Crash story: a claim is part of the commit of the step that wants it, a
guest is found again by its generation, so each step may be repeated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from common.db.stores.claims import Claim, Purpose, Ratios, Resources
from common.db.stores.commit import CLAIMED_HOST, CLAIMED_NODE, Leftover
from common.domain.requested import requested
from common.domain.server import Server
from common.errors import Bug, HostCommandFailed, NotFound, NoValidHost, Unavailable
from common.messages.base import Message
from common.messages.compute import (
    GuestSpec,
    HostReply,
    LocalDisk,
    NetworkInterface,
    VolumeDevice,
)
from common.messages.scheduler import HostSelected, SelectHost
from services.conductor.engine.context import Context, HostDown
from services.conductor.workflows import provisioning, volumes


async def claim_host(
    context: Context,
    *,
    called: str,
    force_host: str | None = None,
    requested_host: str | None = None,
    availability_zone: str | None = None,
    exclude_hosts: Sequence[str] = (),
    purpose: Purpose = "server",
    flavor: dict[str, Any] | None = None,
) -> None:
    """Have the commit of this step claim a host for the server (as it would be with `flavor`).

    Its name becomes `state[called]`, its node `state["node"]`; columns of the same commit may use
    CLAIMED_HOST and CLAIMED_NODE. Raises NoValidHost with the scheduler's reason.
    """
    server = context.server
    if flavor is not None:
        server = with_flavor(server, flavor)
    wanted = requested(
        server.flavor.get("extra_specs", {}),
        server.image_properties,
        vcpus=server.vcpus,
        memory_mib=server.memory_mib,
        disk_gib=server.disk_gib,
    )
    selected: Message = context.proposal or await context.call_scheduler(
        SelectHost(
            request_id=context.workflow.request_id,
            workflow_id=context.workflow.id,
            server_uuid=str(server.uuid),
            project_id=server.project_id,
            vcpus=wanted.vcpus,
            memory_mib=wanted.memory_mib,
            disk_gib=wanted.disk_gib,
            purpose=purpose,
            flavor=server.flavor,
            image_id=server.image_ref,
            image_properties=server.image_properties,
            availability_zone=availability_zone,
            force_host=force_host,
            requested_host=requested_host,
            exclude_hosts=list(exclude_hosts),
            scheduler_hints=server.scheduler_hints,
            server_group=str(server.server_group) if server.server_group else None,
            fresh=context.claim_refused,
        )
    )
    if not isinstance(selected, HostSelected):
        raise Bug(f"the scheduler answered with {selected.TYPE}")
    if selected.host is None:
        raise NoValidHost(selected.reason or "No valid host was found.")
    settings = context.deps.settings.scheduler
    context.changes.claim = Claim(
        hosts=[selected.host, *selected.alternates],
        purpose=purpose,
        resources=Resources(wanted.vcpus, wanted.memory_mib, wanted.disk_gib),
        ratios=Ratios(
            cpu=settings.cpu_allocation_ratio,
            ram=settings.ram_allocation_ratio,
            disk=settings.disk_allocation_ratio,
        ),
        forced=force_host is not None,
        group=server.server_group,
        zone=availability_zone,
        default_zone=context.deps.settings.api.default_availability_zone,
    )
    context.changes.claimed_state = {called: "host", "node": "node"}


PLACED = {"host": CLAIMED_HOST, "node": CLAIMED_NODE}
"""Columns of a server that shows its claimed host at once."""


def flavor_columns(flavor: dict[str, Any]) -> dict[str, Any]:
    """The columns of a server that its flavor decides."""
    sizes = ("vcpus", "memory_mib", "root_gib", "ephemeral_gib", "swap_mib")
    return {"flavor": flavor, "flavorid": flavor["id"], **{name: flavor[name] for name in sizes}}


def with_flavor(server: Server, flavor: dict[str, Any]) -> Server:
    """The server as it would be."""
    return dataclasses.replace(server, **flavor_columns(flavor))


def guest_spec(
    server: Server, generation: int, *, power_on: bool, disks: Sequence[VolumeDevice]
) -> GuestSpec:
    """The server as a driver needs to know it, with its volumes (`volumes.py`)."""
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
        interfaces=[interface(vif) for vif in server.network_info],
        metadata=server.metadata,
        key_name=server.key_name,
        public_key=server.key_data,
        user_data=server.user_data,
        config_drive=bool(server.config_drive),
        power_on=power_on,
        volumes=list(disks),
        local_disks=[
            LocalDisk(
                device_name=disk.device_name,
                source="image" if disk.source_type == "image" else "blank",
                size=disk.size,
                guest_format=disk.guest_format,
                boot_index=disk.boot_index,
                disk_bus=disk.disk_bus,
                device_type=disk.device_type,
                tag=disk.tag,
            )
            for disk in server.block_devices
            if not disk.is_volume
        ],
    )


def interface(vif: dict[str, Any]) -> NetworkInterface:
    """One entry of network_info, as a driver needs to know it."""
    return NetworkInterface(
        port_id=vif["port_id"],
        mac_address=vif["mac"],
        network_id=vif["network_id"],
        fixed_ips=[ip["address"] for ip in vif["fixed_ips"]],
        tag=vif.get("tag"),
    )


async def make_guest(
    context: Context,
    *,
    host: str,
    generation: int,
    power_on: bool = True,
    image_id: str | None = None,
    flavor: dict[str, Any] | None = None,
    by: Mapping[str, str] | None = None,
) -> HostReply:
    """Make the guest on `host`, held: it executes only after the commit that names it, with
    `context.let_execute`. A guest of this generation that is there already is the answer.
    `image_id` and `flavor` take the place of the server's own, `by` (device to attachment) that of
    its volumes' attachments. It gets what the workflow's state has for it (provisioning.py)."""
    server = context.server
    if flavor is not None:
        server = with_flavor(server, flavor)
    if image_id is not None:
        server = dataclasses.replace(server, image_ref=image_id)
    disks = await volumes.for_guest(context, by)
    spec = guest_spec(server, generation, power_on=power_on, disks=disks)
    spec = await provisioning.with_facts(context, host, server, spec)
    spec = await provisioning.with_secrets(context, host, spec)
    return await provisioning.command(context, "spawn", host=host, generation=generation, spec=spec)


async def destroy_guest(context: Context, *, host: str, generation: int) -> None:
    """Remove a guest that does not execute, or that nobody replaces. A host that is down does it
    when it comes back: it asks about its guests, and is told that this generation is over."""
    try:
        await context.command("destroy", host=host, generation=generation)
    except HostDown:
        return


async def end_guest(context: Context, *, host: str, generation: int) -> None:
    """Make sure that a guest that may be executing does not any more, because another takes its
    place: its host has answered or is fenced. Waits while the host is silent; raises Unavailable at
    the deadline."""
    try:
        await context.command("destroy", host=host, generation=generation)
    except HostDown as error:
        if not error.fenced:
            raise Unavailable(
                f"host {host} is silent and may be running the server: it must return, or be "
                "declared down (forced_down) once it is switched off"
            ) from error


def guest_left(host: str | None, generation: int, *, may_run: bool = False) -> list[Leftover]:
    """For `Step.left`. `may_run`: it was told to execute, so that no other guest may."""
    if host is None:
        return []
    detail = {"host": host, "generation": generation, "may_run": may_run}
    return [Leftover("guest", detail, "")]


async def generation_on(context: Context, host: str, *, otherwise: int) -> int:
    """Which of the server's guests the host has now; `otherwise` when it has none or cannot be
    asked (then it is believed when it reports)."""
    try:
        reply = await context.command("guest_info", host=host, generation=otherwise)
    except (NotFound, HostCommandFailed, Unavailable):
        return otherwise
    generation: int = reply.result["generation"]
    return generation

"""POST /servers: from the request to rows in BUILD.

Everything a request names is checked before anything is written: flavor, image, key, networks,
quota. Then servers, actions and workflows appear in one transaction, and conductors are woken.

Owns: that order, and the columns of a new server. May not: build anything.
Crash story: before the commit nothing happened; after it any conductor finds the workflows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.db.stores import servers as store
from common.db.stores.quotas import UNLIMITED, Limits
from common.db.stores.servers import CreateContext, NewServer
from common.errors import InvalidInput, OverQuota
from common.neighbours.image import Image
from services.api.request import Request
from services.api.schemas.parts import truth
from services.api.servers import access_ip, devices, images, names, networks
from services.api.servers.destination import Destination, destination
from services.api.servers.flavors import SEES_PRIVATE, SIZES, stored_flavor
from services.api.servers.placing import place_and_wake

_TRUSTED_CERTS = "os_compute_api:servers:create:trusted_certs"
_ATTACH_VOLUME = "os_compute_api:servers:create:attach_volume"
_HINTS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")
ROOT_DEVICE = "/dev/vda"
MOST_AT_ONCE = 1000
"""Servers one request can make, whatever the quota."""
OWN_DESCRIPTION = 19
"""Below this version a server's description is its name."""


@dataclass(frozen=True)
class Created:
    """What the answer says; `uuid` is the first server of several."""

    uuid: UUID
    reservation_id: str
    reservation_only: bool
    admin_password: str
    security_groups: list[str]
    auto_disk_config: bool


@dataclass(frozen=True)
class _Found:
    """What the request names, as database and neighbours know it."""

    context: CreateContext
    limits: Limits
    image: Image | None
    wanted: networks.Wanted
    group_ids: list[str] | None
    destination: Destination


async def create(request: Request) -> Created:
    """Check everything, then write; raises the kind of refusal that fits."""
    server: dict[str, Any] = request.body["server"]
    least, most = _counts(server)
    _check_alone(request, server, most)
    hints: dict[str, Any] = next((request.body[key] for key in _HINTS if key in request.body), {})
    if group := hints.get("group"):
        raise InvalidInput(f"Instance group {group} could not be found.")
    groups = networks.group_names(server.get("security_groups"))
    found = await _look_up(request, server, groups, most)
    flavor = _flavor(found.context, server["flavorRef"])
    _check_quotas(server, found.limits)
    if least > MOST_AT_ONCE and not 0 <= found.limits["instances"] < least:
        raise InvalidInput(f"min_count may be at most {MOST_AT_ONCE}.")
    if found.image is not None:
        images.check(request, found.image, flavor)
    if server.get("key_name") and found.context.key_name is None:
        raise InvalidInput("Invalid key_name provided.")
    columns = _columns(request, found, flavor, hints=hints, groups=groups)
    ids = [request.app.ids.uuid() for _ in range(min(most, MOST_AT_ONCE))]
    columns["reservation_id"] = names.reservation_id(request.app.ids.uuid())
    workflow_ids = await store.servers_create(
        request.app.pool,
        _named(server, ids),
        wanted=most,
        at_least=least,
        common=columns,
        workflow_state={
            "force_host": found.destination.force_host,
            "requested_host": found.destination.requested_host,
            "availability_zone": found.destination.zone,
            "security_group_ids": found.group_ids,
        },
        request_id=request.ctx.request_id,
        limits=found.limits,
        deadline_s=request.app.settings.conductor.workflow_deadline_s,
        reserve_s=request.app.settings.conductor.reserve_s,
    )
    place_and_wake(request, columns, found.destination, workflow_ids)
    return Created(
        uuid=ids[0],
        reservation_id=columns["reservation_id"],
        reservation_only=truth(server.get("return_reservation_id", False)),
        admin_password=server.get("adminPass") or names.password(),
        security_groups=groups,
        auto_disk_config=columns["auto_disk_config"],
    )


def _counts(server: dict[str, Any]) -> tuple[int, int]:
    least = int(server.get("min_count", 1))
    most = int(server.get("max_count", least))
    if least > most:
        raise InvalidInput("min_count must be <= max_count")
    return least, most


def _check_alone(request: Request, server: dict[str, Any], most: int) -> None:
    """What can be decided without asking anybody."""
    if server.get("block_device_mapping") or server.get("block_device_mapping_v2"):
        request.require(_ATTACH_VOLUME)
    devices.check_devices(server)
    if not server.get("imageRef"):
        raise InvalidInput("Missing imageRef attribute")
    if server.get("trusted_image_certificates"):
        request.require(_TRUSTED_CERTS)
    if server.get("hostname") and most > 1:
        raise InvalidInput("A hostname cannot be given to several servers: max_count must be 1.")


async def _look_up(
    request: Request, server: dict[str, Any], groups: list[str], count: int
) -> _Found:
    """Everything at the same time; the first refusal counts."""
    app, ctx = request.app, request.ctx
    context, image, wanted, group_ids, where = await asyncio.gather(
        store.create_context(
            app.pool,
            flavorid=str(server["flavorRef"]),
            key_name=server.get("key_name"),
            project_id=ctx.project_id,
            user_id=ctx.user_id,
            every_flavor=request.can(SEES_PRIVATE),
            quota=app.settings.quota,
        ),
        images.fetch(request, server["imageRef"]),
        networks.resolve(request, server.get("networks"), count=count),
        networks.group_ids(request, groups),
        destination(request, server),
    )
    return _Found(context, context.limits.of_user(ctx.user_id), image, wanted, group_ids, where)


def _flavor(context: CreateContext, flavorid: Any) -> dict[str, Any]:
    if context.flavor is None or context.flavor["disabled"]:
        raise InvalidInput(f"Flavor {flavorid} could not be found.")
    return context.flavor


def _check_quotas(server: dict[str, Any], limits: Limits) -> None:
    items, most = len(server.get("metadata", ())), limits["metadata_items"]
    if most != UNLIMITED and items > most:
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
    devices.check_files(server.get("personality", []), limits)


def _named(server: dict[str, Any], ids: list[UUID]) -> list[NewServer]:
    """One server has the name as given, several are numbered from 1."""
    name = server["name"]
    each = [name] if len(ids) == 1 else [f"{name}-{n}" for n in range(1, len(ids) + 1)]
    return [
        NewServer(uuid, own, server.get("hostname") or names.hostname(own, uuid))
        for uuid, own in zip(ids, each, strict=True)
    ]


def _columns(
    request: Request,
    found: _Found,
    flavor: dict[str, Any],
    *,
    hints: dict[str, Any],
    groups: list[str],
) -> dict[str, Any]:
    """Columns that all servers of the request share."""
    server: dict[str, Any] = request.body["server"]
    image, ctx = found.image, request.ctx
    properties = image.properties if image else {}
    image_ref = image.id if image else None
    described = server.get("description") if request.v >= OWN_DESCRIPTION else server["name"]
    return {
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        "description": described,
        "availability_zone": found.destination.zone,
        "pinned_availability_zone": found.destination.zone,
        "flavor": stored_flavor(flavor),
        "flavorid": flavor["flavorid"],
        **{name: flavor[name] for name in SIZES},
        "image_ref": image_ref,
        "image_properties": properties,
        "kernel_id": properties.get("kernel_id", ""),
        "ramdisk_id": properties.get("ramdisk_id", ""),
        "root_device_name": properties.get("root_device_name", ROOT_DEVICE),
        "config_drive": "True" if truth(server.get("config_drive", False)) else "",
        "auto_disk_config": images.auto_disk_config(
            server.get("OS-DCF:diskConfig"), properties, image_ref
        ),
        "key_name": found.context.key_name,
        "key_data": found.context.public_key,
        "user_data": server.get("user_data"),
        "metadata": server.get("metadata", {}),
        "tags": list(dict.fromkeys(server.get("tags", ()))),
        "security_groups": [] if found.wanted == "none" else groups,
        "requested_networks": found.wanted,
        "access_ip_v4": server.get("accessIPv4"),
        "access_ip_v6": access_ip.shortest(server.get("accessIPv6")),
        "scheduler_hints": hints,
        "trusted_certs": server.get("trusted_image_certificates"),
        "server_group": None,
    }

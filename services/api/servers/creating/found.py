"""Second stage: everything a create request names, asked for at the same time.

Owns: the facts. May not: judge them, beyond what cannot be found at all; the first refusal counts.
Crash story: reads only.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from common.db.stores import servers as store
from common.db.stores.quotas import Caps
from common.domain import block_devices
from common.errors import InvalidInput
from common.neighbours.image import Image
from common.neighbours.network import SecurityGroup
from services.api.request import Request
from services.api.servers import images
from services.api.servers.creating import found_disks, found_networks
from services.api.servers.creating.asked import Asked
from services.api.servers.creating.asked_place import AskedPlace
from services.api.servers.creating.found_disks import FoundDisks
from services.api.servers.creating.found_networks import FoundNetworks


@dataclass(frozen=True)
class Found:
    flavor: dict[str, Any] | None
    """Columns of `flavors`; None: unknown, or not for this project."""
    key_name: str | None
    public_key: str | None
    limits: Caps
    """What this user may have in the project."""
    image: Image | None
    """The one asked for, or what a root volume is made of."""
    disks: FoundDisks
    networks: FoundNetworks
    security_groups: list[SecurityGroup]
    host: str | None
    """The one asked for."""
    zones: frozenset[str]
    """That there are."""


async def look_up(request: Request, asked: Asked) -> Found:
    app = request.app
    context, image, networks, groups, host = await asyncio.gather(
        store.create_context(
            app.pool,
            flavorid=asked.flavorid,
            key_name=asked.key_name,
            project_id=asked.project_id,
            user_id=asked.user_id,
            every_flavor=asked.allowed.private_flavors,
            quota=app.settings.quota,
        ),
        _image(request, asked.image_id),
        found_networks.networks(request, asked.networks),
        found_networks.security_groups(request, asked.group_names),
        _host(request, asked.place),
    )
    disks = await found_disks.disks(request, asked.disks, image, context.flavor, servers=asked.most)
    return Found(
        flavor=context.flavor,
        key_name=context.key_name,
        public_key=context.public_key,
        limits=context.limits.caps(asked.user_id),
        image=disks.boot_image if block_devices.is_volume_backed(disks.devices) else image,
        disks=disks,
        networks=networks,
        security_groups=groups,
        host=host,
        zones=frozenset({app.settings.api.default_availability_zone}),
    )


async def _image(request: Request, image_id: str | None) -> Image | None:
    return None if image_id is None else await images.fetch(request, image_id)


async def _host(request: Request, place: AskedPlace) -> str | None:
    """A forced host may be one that nobody knows yet; a node must be known."""
    if not place.names_host:
        return None
    if place.forced and not place.node:
        return place.host
    found = await store.compute_node_find(request.app.pool, host=place.host, node=place.node)
    if found is None:
        raise InvalidInput(f"Compute host {place.host or place.node} could not be found.")
    return found[0]

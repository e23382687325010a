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
from common.neighbours.image import Image
from common.neighbours.network_records import SecurityGroup
from services.api.request import Request
from services.api.servers import images
from services.api.servers.creating import found_disks, found_networks, found_place
from services.api.servers.creating.asked import Asked
from services.api.servers.creating.found_disks import FoundDisks
from services.api.servers.creating.found_networks import FoundNetworks
from services.api.servers.creating.found_place import FoundPlace


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
    place: FoundPlace


async def look_up(request: Request, asked: Asked) -> Found:
    app = request.app
    context, image, networks, groups, place = await asyncio.gather(
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
        found_place.place(request, asked.place, asked.group),
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
        place=place,
    )


async def _image(request: Request, image_id: str | None) -> Image | None:
    return None if image_id is None else await images.fetch(request, image_id)

"""The facts a guest is told, gathered from everybody who knows some.

Owns: who is asked for what. The metadata service and conductors (for config drives) both use it.
May not: cache. Crash story: none; reads only.
"""

from __future__ import annotations

import asyncio

from common.config.settings import Settings
from common.domain.guest_data import devices
from common.domain.guest_data.facts import GuestFacts, facts_of, full_hostname
from common.domain.server import Server
from common.neighbours.guest_links import guest_links
from common.neighbours.network import NetworkClient
from common.neighbours.vendor_data import VendorData


async def guest_facts(
    server: Server,
    settings: Settings,
    network: NetworkClient,
    vendor: VendorData,
    *,
    zone: str,
) -> GuestFacts:
    """`zone`: that of the guest's host. Raises `Unavailable` when somebody who must be asked does
    not answer."""
    domain = settings.metadata.dhcp_domain
    links, about = await asyncio.gather(
        guest_links(network, server),
        vendor.about(server, full_hostname(server.hostname, domain)),
    )
    return facts_of(
        server,
        domain=domain,
        zone=zone,
        links=links,
        devices=[*devices.nics(server.network_info), *devices.disks(server.block_devices)],
        vendor_data=vendor.static,
        vendor_data2=about,
    )

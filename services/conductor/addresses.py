"""What servers show of their ports, made what the network service says.

Owns: comparing some servers with their ports: addresses, floating addresses, names of networks and
security groups. At most four questions, however many servers.
May not: add a port to a server or take one away: a port that is gone leaves an interface in the
guest, and that is a workflow's. Crash story: whoever looks next finds the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import structlog

from common.db.stores import addresses as store
from common.db.stores import leftovers
from common.db.stores.addresses import Shown
from common.db.stores.commit import Leftover
from common.domain.actions import ANY_STATE, DETACH_INTERFACE
from common.domain.states import VmState
from common.errors import MusterError
from common.messages.network import PortsChanged
from common.neighbours.network_records import Port
from services.conductor.engine.context import Deps
from services.conductor.reconcilers.beginning import begin
from services.conductor.workflows import ports

log = structlog.get_logger(__name__)

DETACH_GONE = replace(DETACH_INTERFACE, vm_states=ANY_STATE - {VmState.BUILDING})
"""Recorded as the instance action of nobody, so that the owner sees where the port has gone."""


@dataclass(frozen=True)
class _Truth:
    """What the network service says about some servers."""

    ports: Mapping[str, Port]
    floating: Mapping[str, Mapping[str, Sequence[str]]]
    """Floating addresses by port and fixed address."""
    networks: Mapping[str, str]
    groups: Mapping[str, str]


async def on_changed(deps: Deps, message: PortsChanged) -> None:
    """Some servers, because something was said about them. While the network service cannot be
    asked there is nothing to compare; the next round of all finds it."""
    servers = await store.shown(deps.pool, [UUID(uuid) for uuid in message.servers])
    try:
        await compare(deps, servers)
    except MusterError as error:
        log.warning("addresses_not_refreshed", servers=message.servers, error=str(error))


async def compare(deps: Deps, servers: Sequence[Shown]) -> int:
    """How many showed something else than is so, or have lost a port."""
    servers = [server for server in servers if server.network_info]
    if not servers:
        return 0
    truth = await _truth(deps, servers)
    changed = 0
    for server in servers:
        now = [_vif(vif, truth) for vif in server.network_info]
        names = _group_names(server, truth)
        if (now, names) != (server.network_info, server.security_groups):
            changed += await store.write(deps.pool, server, now, names)
        for vif in server.network_info:
            if _is_gone(vif, server, truth):
                changed += await _lost(deps, server, vif["port_id"])
    return changed


async def _lost(deps: Deps, server: Shown, port_id: str) -> bool:
    """Its interface has to go. Begun at once when this is news; else whoever works off leftovers
    tries again, ever more rarely."""
    left = Leftover("interface", {"port_id": port_id}, "its port is gone")
    if not await leftovers.add_new(deps.pool, server.uuid, left):
        return False
    return await begin(deps, server.uuid, DETACH_GONE, {"port_id": port_id, "gone": True})


async def _truth(deps: Deps, servers: Sequence[Shown]) -> _Truth:
    network = deps.network
    found = await network.ports(device_ids=[str(server.uuid) for server in servers])
    floating: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in await network.floating_ips([port.id for port in found]):
        if each.port_id and each.fixed_ip_address:
            floating[each.port_id][each.fixed_ip_address].append(each.floating_ip_address)
    network_ids = sorted({port.network_id for port in found})
    networks = await network.networks(ids=network_ids) if network_ids else []
    group_ids = sorted({group for port in found for group in port.security_group_ids})
    return _Truth(
        ports={port.id: port for port in found},
        floating=floating,
        networks={each.id: each.name for each in networks},
        groups=await network.security_group_names(group_ids),
    )


def _vif(vif: dict[str, Any], truth: _Truth) -> dict[str, Any]:
    """As it is now; one whose port is gone stays as it was until its interface is."""
    port = truth.ports.get(vif["port_id"])
    if port is None:
        return vif
    label = truth.networks.get(port.network_id, vif["label"])
    floating = truth.floating.get(port.id, {})
    return ports.vif(port, label=label, tag=vif.get("tag"), floating=floating)


def _group_names(server: Shown, truth: _Truth) -> list[str]:
    """Once for each port that has it."""
    of_ports = [truth.ports.get(vif["port_id"]) for vif in server.network_info]
    ids = [group for port in of_ports if port is not None for group in port.security_group_ids]
    return [truth.groups.get(group, group) for group in ids]


def _is_gone(vif: dict[str, Any], server: Shown, truth: _Truth) -> bool:
    """No port of the server any more. The workflow asks again before it does anything."""
    return vif["port_id"] not in truth.ports and server.vm_state != VmState.BUILDING

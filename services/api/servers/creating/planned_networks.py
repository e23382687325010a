"""Which networks and ports new servers get, and which security groups, of those that were found.

Owns: the refusals about them, and the form in which a server keeps what it asked for.
May not: do I/O. Crash story: none.
"""

from __future__ import annotations

from typing import Any

from common.errors import Conflict, Forbidden, InvalidInput
from common.neighbours.network_records import SecurityGroup
from services.api.servers.creating.asked_networks import (
    AUTO,
    DEFAULT_GROUP,
    NONE,
    AskedNetwork,
    AskedNetworks,
)
from services.api.servers.creating.found_networks import FoundNetworks

Wanted = list[dict[str, Any]] | str
"""Column `requested_networks`: entries {"uuid", "label", "port", "fixed_ip", "tag"} or "none"."""


def networks(
    asked: AskedNetworks, found: FoundNetworks, *, project_id: str, external_allowed: bool
) -> Wanted:
    if asked == NONE:
        return NONE
    if asked is None or asked == AUTO:
        return _by_default(found)
    wanted = [_entry(each, found, project_id) for each in asked]
    for each, entry in zip(asked, wanted, strict=True):
        network = found.networks.get(entry["uuid"])
        if network is None:
            raise InvalidInput(f"Network {entry['uuid']} could not be found.")
        if not each.port_id and network.external and not network.shared and not external_allowed:
            raise Forbidden(
                f"It is not allowed to create an interface on external network {network.id}"
            )
        entry["label"] = network.name
        _check_address_free(each, found)
    return wanted


def _by_default(found: FoundNetworks) -> Wanted:
    if found.made_network_id is not None:
        return [{"uuid": found.made_network_id}]
    if len(found.networks) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    for network in found.networks.values():
        return [{"uuid": network.id, "label": network.name}]
    return NONE


def _entry(asked: AskedNetwork, found: FoundNetworks, project_id: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"tag": asked.tag} if asked.tag else {}
    if asked.port_id is None:
        entry["uuid"] = asked.network_id
        return {**entry, "fixed_ip": asked.fixed_ip} if asked.fixed_ip else entry
    port = found.ports.get(asked.port_id)
    if port is None:
        raise InvalidInput(f"Port id {asked.port_id} could not be found.")
    if port.project_id != project_id:
        raise InvalidInput(f"Port {asked.port_id} not usable by project {project_id}.")
    if port.device_id:
        raise Conflict(f"Port {asked.port_id} is still in use.")
    return {**entry, "port": port.id, "uuid": port.network_id}


def _check_address_free(asked: AskedNetwork, found: FoundNetworks) -> None:
    for port in found.neighbours.get(asked.fixed_ip or "", ()):
        taken = any(ip.ip_address == asked.fixed_ip for ip in port.fixed_ips)
        if taken and port.network_id == asked.network_id:
            raise InvalidInput(
                f"Fixed IP address {asked.fixed_ip} is already in use on instance {port.device_id}."
            )


def shown_groups(
    networks: Wanted, names: tuple[str, ...], groups: list[SecurityGroup]
) -> list[str]:
    """Names of what was asked for by name or id; a server without ports shows none."""
    if networks == NONE:
        return []
    names_of = {group.id: group.name for group in groups}
    return list(dict.fromkeys(names_of.get(name, name) for name in names))


def group_ids(
    names: tuple[str, ...], groups: list[SecurityGroup], project_id: str
) -> list[str] | None:
    """Ids of security groups named by name or id; None leaves the default to the network service.

    Raises `InvalidInput` for an unknown one, `Conflict` for a name that several have.
    """
    if names == (DEFAULT_GROUP,):
        return None
    found: list[str] = []
    for name in names:
        ids = [g.id for g in groups if g.id == name] or [g.id for g in groups if g.name == name]
        if not ids:
            raise InvalidInput(f"Security group {name} not found for project {project_id}.")
        if len(ids) > 1:
            raise Conflict(
                f"Multiple security groups found matching '{name}'. Use an ID to be more specific."
            )
        found += ids
    return list(dict.fromkeys(found))

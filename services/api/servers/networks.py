"""Which networks and ports a new server gets.

Owns: turning what was asked for, or nothing, into a list of networks and ports that exist, and
security group names into ids. May not: change anything at the network service; conductors do.
Crash story: reads only.
"""

from __future__ import annotations

import asyncio
from typing import Any

from common.errors import Conflict, Forbidden, InvalidInput, NotFound
from common.neighbours.network import Network, Port
from services.api.identifiers import parse_uuid
from services.api.request import Request

_ATTACH = "os_compute_api:servers:create:attach_network"
_EXTERNAL = "network:attach_external_network"
DEFAULT_GROUP = "default"

Wanted = list[dict[str, Any]] | str
"""Entries {"uuid", "label", "port", "fixed_ip", "tag"} or "none"."""


async def resolve(request: Request, asked: Any, *, count: int) -> Wanted:
    """The networks of `count` new servers. `asked` is the request's `networks`, None if absent."""
    if asked == "none":
        return "none"
    if asked == "auto" or not asked:
        return await _by_default(request, create=asked == "auto")
    request.require(_ATTACH)
    wanted = [_entry(each) for each in asked]
    _check_count(wanted, count)
    ports = await asyncio.gather(*(_port(request, e["port"]) for e in wanted if "port" in e))
    of_port = {port.id: port for port in ports}
    for entry in wanted:
        if "port" in entry:
            entry["uuid"] = of_port[entry["port"]].network_id
    ids = sorted({entry["uuid"] for entry in wanted})
    networks = await request.app.network.networks(ids=ids, token=request.ctx.token)
    known = {network.id: network for network in networks}
    for entry in wanted:
        network = known.get(entry["uuid"])
        if network is None:
            raise InvalidInput(f"Network {entry['uuid']} could not be found.")
        if "port" not in entry:
            _check_external(request, network)
        entry["label"] = network.name
    await asyncio.gather(*(_check_address_free(request, entry) for entry in wanted))
    return wanted


def _entry(asked: dict[str, Any]) -> dict[str, Any]:
    port, uuid, fixed_ip = asked.get("port"), asked.get("uuid"), asked.get("fixed_ip")
    entry: dict[str, Any] = {"tag": asked["tag"]} if asked.get("tag") else {}
    if port:
        if fixed_ip:
            raise InvalidInput(
                f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{port}': "
                "the two cannot be specified together."
            )
        return {**entry, "port": port}
    if uuid is None:
        raise InvalidInput("Bad network format: missing 'uuid'")
    parsed = parse_uuid(uuid)
    if parsed is None:
        raise InvalidInput(f"Bad networks format: network uuid is not in proper format ({uuid})")
    entry["uuid"] = str(parsed)
    return {**entry, "fixed_ip": fixed_ip} if fixed_ip else entry


def _check_count(wanted: list[dict[str, Any]], count: int) -> None:
    ports = [entry["port"] for entry in wanted if "port" in entry]
    if len(set(ports)) < len(ports):
        raise InvalidInput("A port may be named once in networks.")
    if count == 1:
        return
    if ports:
        raise InvalidInput(
            "Unable to launch multiple instances with a single configured port ID. "
            "Please launch your instance one by one with different ports."
        )
    if any("fixed_ip" in entry for entry in wanted):
        raise InvalidInput(
            "Failed to launch instances: "
            "max_count cannot be greater than 1 if an fixed_ip is specified."
        )


async def _port(request: Request, port_id: str) -> Port:
    try:
        port = await request.app.network.port(port_id, token=request.ctx.token)
    except NotFound as error:
        raise InvalidInput(f"Port id {port_id} could not be found.") from error
    if port.device_id:
        raise Conflict(f"Port {port_id} is still in use.")
    return port


def _check_external(request: Request, network: Network) -> None:
    if network.external and not network.shared and not request.can(_EXTERNAL):
        raise Forbidden(
            f"It is not allowed to create an interface on external network {network.id}"
        )


async def _check_address_free(request: Request, entry: dict[str, Any]) -> None:
    fixed_ip = entry.get("fixed_ip")
    if fixed_ip is None:
        return
    for port in await request.app.network.ports(ip_contains=fixed_ip):
        taken = any(ip.ip_address == fixed_ip for ip in port.fixed_ips)
        if taken and port.network_id == entry["uuid"]:
            raise InvalidInput(
                f"Fixed IP address {fixed_ip} is already in use on instance {port.device_id}."
            )


async def _by_default(request: Request, *, create: bool) -> Wanted:
    """The one network the project can use; with `create`, one is made when there is none."""
    client, ctx = request.app.network, request.ctx
    own, shared = await asyncio.gather(
        client.networks(project_id=ctx.project_id, token=ctx.token),
        client.networks(shared=True, token=ctx.token),
    )
    usable = {network.id: network for network in [*own, *shared] if not network.external}
    if len(usable) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    if usable:
        (network,) = usable.values()
        return [{"uuid": network.id, "label": network.name}]
    if not create:
        return "none"
    try:
        return [{"uuid": await client.auto_topology(ctx.project_id, token=ctx.token)}]
    except (Conflict, NotFound, InvalidInput) as error:
        raise InvalidInput(
            f"Unable to automatically allocate a network for project {ctx.project_id}"
        ) from error


def group_names(asked: list[dict[str, Any]] | None) -> list[str]:
    """Names in order, each once; the project's default group when none is asked for."""
    return list(dict.fromkeys(group["name"] for group in asked or () if group.get("name"))) or [
        DEFAULT_GROUP
    ]


async def group_ids(request: Request, names: list[str]) -> list[str] | None:
    """Ids of security groups named by name or id; None leaves the default to the network service.

    Raises `InvalidInput` for an unknown one, `Conflict` for a name that several have.
    """
    if names == [DEFAULT_GROUP]:
        return None
    project_id = request.ctx.project_id
    groups = await request.app.network.security_groups(
        project_id=project_id, token=request.ctx.token
    )
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
    return found

"""The network service: networks, ports and security groups of servers.

Owns: the calls on them; their records are network_records.py's. May not: cache.
Crash story: `create_port` is the only call that is not repeatable by itself; a workflow that
repeats the step first looks for the ports it has (`ports_of`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.auth.session import ServiceSession
from common.domain.server import Server
from common.neighbours.network_records import (
    FixedIp,
    FloatingIp,
    Network,
    Port,
    PortRequest,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    read_floating_ip,
    read_network,
    read_port,
    read_security_group,
    read_subnet,
)
from common.neighbours.paths import part
from common.neighbours.responses import accepted

__all__ = [
    "FixedIp",
    "FloatingIp",
    "Network",
    "NetworkClient",
    "Port",
    "PortRequest",
    "SecurityGroup",
    "SecurityGroupRule",
    "Subnet",
]

_SERVICE = "network"


class NetworkClient:
    """Reads take the caller's `token` to see what the caller sees; everything else is done as the
    service user. Raises the kinds of common/errors: NotFound, Conflict, OverQuota, InvalidInput,
    Unavailable."""

    def __init__(self, session: ServiceSession) -> None:
        self._session = session

    async def networks(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        project_id: str | None = None,
        shared: bool | None = None,
        token: str | None = None,
    ) -> list[Network]:
        """Networks that match all given filters."""
        params: dict[str, str | list[str]] = {}
        if ids:
            params["id"] = list(ids)
        if names:
            params["name"] = list(names)
        if project_id is not None:
            params["project_id"] = project_id
        if shared is not None:
            params["shared"] = str(shared)
        return [read_network(n) for n in await self._list("networks", params, token)]

    async def network(self, network_id: str, *, token: str | None = None) -> Network:
        """One network by id; raises `NotFound`."""
        return read_network(await self._get("network", network_id, token))

    async def subnets(
        self, ids: Sequence[str] = (), *, network_id: str | None = None
    ) -> list[Subnet]:
        """Subnets by id, or all of a network."""
        params: dict[str, str | list[str]] = {"id": list(ids)} if ids else {}
        if network_id is not None:
            params["network_id"] = network_id
        return [read_subnet(s) for s in await self._list("subnets", params, None)]

    async def ports(
        self,
        *,
        device_id: str | None = None,
        device_ids: Sequence[str] = (),
        host_id: str | None = None,
        ids: Sequence[str] = (),
        ip_addresses: Sequence[str] = (),
        network_id: str | None = None,
        token: str | None = None,
    ) -> list[Port]:
        """Ports by server, by host, by network, by their own ids, or with one of the addresses."""
        params: dict[str, str | list[str]] = {}
        if device_id is not None or device_ids:
            params["device_id"] = [device_id] if device_id is not None else list(device_ids)
        if host_id is not None:
            params["binding:host_id"] = host_id
        if ids:
            params["id"] = list(ids)
        if ip_addresses:
            params["fixed_ips"] = [f"ip_address={address}" for address in ip_addresses]
        if network_id is not None:
            params["network_id"] = network_id
        return [read_port(p) for p in await self._list("ports", params, token)]

    async def ports_of(self, server: Server) -> list[Port]:
        """The ports of one server. Anybody can write its id into a port of their own, so only those
        of its project are its."""
        params: _Query = {"device_id": str(server.uuid), "project_id": server.project_id}
        return [read_port(p) for p in await self._list("ports", params, None)]

    async def port(self, port_id: str, *, token: str | None = None) -> Port:
        """One port by id; raises `NotFound`."""
        return read_port(await self._get("port", port_id, token))

    async def create_port(self, request: PortRequest) -> Port:
        """Not repeatable: look for the server's ports before creating one again."""
        body = {"port": _port_body(request)}
        return read_port((await self._post("/v2.0/ports", body))["port"])

    async def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """All or none, in the order asked for."""
        if not requests:
            return []
        body = {"ports": [_port_body(request) for request in requests]}
        return [read_port(port) for port in (await self._post("/v2.0/ports", body))["ports"]]

    async def update_port(self, port_id: str, **changes: Any) -> Port:
        """Change a port's own fields, e.g. `device_id`, `device_owner`, `host_id`.

        `host_id` binds the port to a host ("" unbinds it).
        """
        if "host_id" in changes:
            changes["binding:host_id"] = changes.pop("host_id")
        status, body = await self._session.request(
            _SERVICE, "PUT", f"/v2.0/ports/{part(port_id)}", json={"port": changes}
        )
        return read_port(accepted(_SERVICE, status, body, 200)["port"])

    async def delete_port(self, port_id: str) -> None:
        """Repeatable: a port that is gone is deleted."""
        status, body = await self._session.request(
            _SERVICE, "DELETE", f"/v2.0/ports/{part(port_id)}"
        )
        accepted(_SERVICE, status, body, 204, 404)

    async def security_groups(
        self,
        *,
        ids: Iterable[str] = (),
        project_id: str | None = None,
        token: str | None = None,
    ) -> list[SecurityGroup]:
        """Security groups by id, or all of a project (which makes its "default" one exist)."""
        params: dict[str, str | list[str]] = {"id": list(ids)} if ids else {}
        if project_id is not None:
            params["project_id"] = project_id
        found = await self._list("security-groups", params, token)
        return [read_security_group(group) for group in found]

    async def security_group_names(self, ids: Sequence[str]) -> dict[str, str]:
        """Names by id, of those that exist."""
        if not ids:
            return {}
        params: dict[str, str | list[str]] = {"id": list(ids), "fields": ["id", "name"]}
        return {g["id"]: g["name"] for g in await self._list("security-groups", params, None)}

    async def floating_ips(self, port_ids: Sequence[str]) -> list[FloatingIp]:
        """Floating addresses that lead to these ports."""
        if not port_ids:
            return []
        found = await self._list("floatingips", {"port_id": list(port_ids)}, None)
        return [read_floating_ip(each) for each in found]

    async def auto_topology(self, project_id: str, *, token: str | None = None) -> str:
        """The id of the network a project gets by itself; raises `Conflict` when it cannot."""
        path = f"/v2.0/auto-allocated-topology/{part(project_id)}"
        status, body = await self._session.request(_SERVICE, "GET", path, token=token)
        topology = accepted(_SERVICE, status, body, 200)["auto_allocated_topology"]
        return str(topology["id"])

    async def _list(
        self, collection: str, params: dict[str, str | list[str]], token: str | None
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for some in _in_portions(params):
            status, body = await self._session.request(
                _SERVICE, "GET", f"/v2.0/{collection}", params=some, token=token
            )
            found += accepted(_SERVICE, status, body, 200)[collection.replace("-", "_")]
        return found

    async def _get(self, kind: str, resource_id: str, token: str | None) -> dict[str, Any]:
        status, body = await self._session.request(
            _SERVICE, "GET", f"/v2.0/{kind}s/{part(resource_id)}", token=token
        )
        found: dict[str, Any] = accepted(_SERVICE, status, body, 200)[kind]
        return found

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = await self._session.request(_SERVICE, "POST", path, json=body)
        made: dict[str, Any] = accepted(_SERVICE, status, answer, 201)
        return made


_Query = dict[str, str | list[str]]
MOST_VALUES = 100
"""Of one parameter in one request: an address may be some eight thousand characters long."""


def _in_portions(params: _Query) -> Iterator[_Query]:
    """The same query in as many requests as its longest list of values needs."""
    longest = max(
        (n for n, v in params.items() if isinstance(v, list)),
        default=None,
        key=lambda name: len(params[name]),
    )
    if longest is None:
        yield params
        return
    values = params[longest]
    for first in range(0, len(values), MOST_VALUES):
        yield {**params, longest: list(values[first : first + MOST_VALUES])}


def _port_body(request: PortRequest) -> dict[str, Any]:
    body = {
        "network_id": request.network_id,
        "project_id": request.project_id,
        "device_id": request.device_id,
        "device_owner": request.device_owner,
        "name": request.name,
        "admin_state_up": True,
        "binding:host_id": request.host_id,
        "binding:profile": request.profile,
        "mac_address": request.mac_address,
        "fixed_ips": [{"ip_address": request.fixed_ip}] if request.fixed_ip else None,
        "security_groups": (
            None if request.security_group_ids is None else list(request.security_group_ids)
        ),
    }
    return {name: value for name, value in body.items() if value is not None}

"""The network service: networks, ports and security groups of servers.

Owns: their records as Muster uses them, and the calls on them. May not: cache.
Crash story: `create_port` is the only call that is not repeatable by itself; a workflow that
repeats the step first looks for ports that already name the server (`ports(device_id=...)`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.auth.session import ServiceSession
from common.neighbours.responses import accepted

_SERVICE = "network"


@dataclass(frozen=True)
class Network:
    id: str
    name: str
    project_id: str
    shared: bool
    external: bool
    admin_state_up: bool
    subnet_ids: tuple[str, ...]
    mtu: int | None
    port_security_enabled: bool


@dataclass(frozen=True)
class Subnet:
    id: str
    network_id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None
    enable_dhcp: bool = True
    ipv6_address_mode: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[tuple[str, str], ...] = ()
    """(destination, next hop)."""


@dataclass(frozen=True)
class FixedIp:
    ip_address: str
    subnet_id: str | None = None


@dataclass(frozen=True)
class Port:
    id: str
    name: str
    network_id: str
    project_id: str
    device_id: str
    device_owner: str
    status: str
    admin_state_up: bool
    mac_address: str
    fixed_ips: tuple[FixedIp, ...]
    security_group_ids: tuple[str, ...]
    host_id: str
    """"" while unbound."""
    vif_type: str
    vnic_type: str
    profile: dict[str, Any] = field(default_factory=dict, hash=False)
    """The binding profile, which only administrators see."""


@dataclass(frozen=True)
class SecurityGroupRule:
    id: str
    security_group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_group_id: str | None
    remote_ip_prefix: str | None


@dataclass(frozen=True)
class SecurityGroup:
    id: str
    name: str
    project_id: str
    description: str = ""
    rules: tuple[SecurityGroupRule, ...] = ()


@dataclass(frozen=True)
class FloatingIp:
    id: str
    floating_ip_address: str
    fixed_ip_address: str | None
    port_id: str | None
    network_id: str = ""
    """Where it comes from."""
    device_id: str = ""
    """The server that it leads to, as far as the network service says."""


@dataclass(frozen=True)
class PortRequest:
    """A port to create for a server. None leaves the choice to the service."""

    network_id: str
    project_id: str
    device_id: str
    device_owner: str
    host_id: str | None = None
    fixed_ip: str | None = None
    security_group_ids: Sequence[str] | None = None
    mac_address: str | None = None
    name: str = ""
    profile: dict[str, Any] | None = None


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
        return [network(n) for n in await self._list("networks", params, token)]

    async def network(self, network_id: str, *, token: str | None = None) -> Network:
        """One network by id; raises `NotFound`."""
        return network(await self._get("network", network_id, token))

    async def subnets(
        self, ids: Sequence[str] = (), *, network_id: str | None = None
    ) -> list[Subnet]:
        """Subnets by id, or all of a network."""
        params: dict[str, str | list[str]] = {"id": list(ids)} if ids else {}
        if network_id is not None:
            params["network_id"] = network_id
        return [_subnet(s) for s in await self._list("subnets", params, None)]

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
        return [_port(p) for p in await self._list("ports", params, token)]

    async def port(self, port_id: str, *, token: str | None = None) -> Port:
        """One port by id; raises `NotFound`."""
        return _port(await self._get("port", port_id, token))

    async def create_port(self, request: PortRequest) -> Port:
        """Not repeatable: look for the server's ports before creating one again."""
        body = {"port": _port_body(request)}
        return _port((await self._post("/v2.0/ports", body))["port"])

    async def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """All or none, in the order asked for."""
        if not requests:
            return []
        body = {"ports": [_port_body(request) for request in requests]}
        return [_port(port) for port in (await self._post("/v2.0/ports", body))["ports"]]

    async def update_port(self, port_id: str, **changes: Any) -> Port:
        """Change a port's own fields, e.g. `device_id`, `device_owner`, `host_id`.

        `host_id` binds the port to a host ("" unbinds it).
        """
        if "host_id" in changes:
            changes["binding:host_id"] = changes.pop("host_id")
        status, body = await self._session.request(
            _SERVICE, "PUT", f"/v2.0/ports/{port_id}", json={"port": changes}
        )
        return _port(accepted(_SERVICE, status, body, 200)["port"])

    async def delete_port(self, port_id: str) -> None:
        """Repeatable: a port that is gone is deleted."""
        status, body = await self._session.request(_SERVICE, "DELETE", f"/v2.0/ports/{port_id}")
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
        return [security_group(group) for group in found]

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
        return [floating_ip(each) for each in found]

    async def auto_topology(self, project_id: str, *, token: str | None = None) -> str:
        """The id of the network a project gets by itself; raises `Conflict` when it cannot."""
        path = f"/v2.0/auto-allocated-topology/{project_id}"
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
            _SERVICE, "GET", f"/v2.0/{kind}s/{resource_id}", token=token
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


def network(body: dict[str, Any]) -> Network:
    return Network(
        id=body["id"],
        name=body.get("name") or "",
        project_id=body.get("project_id") or body.get("tenant_id") or "",
        shared=bool(body.get("shared")),
        external=bool(body.get("router:external")),
        admin_state_up=body.get("admin_state_up", True),
        subnet_ids=tuple(body.get("subnets", ())),
        mtu=body.get("mtu"),
        port_security_enabled=body.get("port_security_enabled", True),
    )


def _subnet(body: dict[str, Any]) -> Subnet:
    return Subnet(
        id=body["id"],
        network_id=body["network_id"],
        cidr=body["cidr"],
        ip_version=body["ip_version"],
        gateway_ip=body.get("gateway_ip"),
        enable_dhcp=body.get("enable_dhcp", True),
        ipv6_address_mode=body.get("ipv6_address_mode"),
        dns_nameservers=tuple(body.get("dns_nameservers") or ()),
        host_routes=tuple(
            (route["destination"], route["nexthop"]) for route in body.get("host_routes") or ()
        ),
    )


def floating_ip(body: dict[str, Any]) -> FloatingIp:
    return FloatingIp(
        id=body["id"],
        floating_ip_address=body["floating_ip_address"],
        fixed_ip_address=body.get("fixed_ip_address"),
        port_id=body.get("port_id"),
        network_id=body.get("floating_network_id") or "",
        device_id=(body.get("port_details") or {}).get("device_id") or "",
    )


def security_group(body: dict[str, Any]) -> SecurityGroup:
    return SecurityGroup(
        id=body["id"],
        name=body["name"],
        project_id=body.get("project_id") or body.get("tenant_id", ""),
        description=body.get("description") or "",
        rules=tuple(security_group_rule(rule) for rule in body.get("security_group_rules", ())),
    )


def security_group_rule(body: dict[str, Any]) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=body["id"],
        security_group_id=body["security_group_id"],
        direction=body["direction"],
        ethertype=body["ethertype"],
        protocol=body.get("protocol"),
        port_range_min=body.get("port_range_min"),
        port_range_max=body.get("port_range_max"),
        remote_group_id=body.get("remote_group_id"),
        remote_ip_prefix=body.get("remote_ip_prefix"),
    )


def _port(body: dict[str, Any]) -> Port:
    return Port(
        id=body["id"],
        name=body.get("name") or "",
        network_id=body["network_id"],
        project_id=body.get("project_id") or body.get("tenant_id") or "",
        device_id=body.get("device_id") or "",
        device_owner=body.get("device_owner") or "",
        status=body.get("status") or "",
        admin_state_up=body.get("admin_state_up", True),
        mac_address=body.get("mac_address") or "",
        fixed_ips=tuple(
            FixedIp(ip["ip_address"], ip.get("subnet_id")) for ip in body.get("fixed_ips", ())
        ),
        security_group_ids=tuple(body.get("security_groups", ())),
        host_id=body.get("binding:host_id") or "",
        vif_type=body.get("binding:vif_type") or "",
        vnic_type=body.get("binding:vnic_type") or "normal",
        profile=body.get("binding:profile") or {},
    )

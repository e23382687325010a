"""Records of the network service as Muster uses them.

Owns: their shape, and reading them from the service's answers. May not: call the service.
Crash story: none, values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


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


def read_network(body: dict[str, Any]) -> Network:
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


def read_subnet(body: dict[str, Any]) -> Subnet:
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


def read_floating_ip(body: dict[str, Any]) -> FloatingIp:
    return FloatingIp(
        id=body["id"],
        floating_ip_address=body["floating_ip_address"],
        fixed_ip_address=body.get("fixed_ip_address"),
        port_id=body.get("port_id"),
        network_id=body.get("floating_network_id") or "",
        device_id=(body.get("port_details") or {}).get("device_id") or "",
    )


def read_security_group(body: dict[str, Any]) -> SecurityGroup:
    return SecurityGroup(
        id=body["id"],
        name=body["name"],
        project_id=body.get("project_id") or body.get("tenant_id", ""),
        description=body.get("description") or "",
        rules=tuple(
            read_security_group_rule(rule) for rule in body.get("security_group_rules", ())
        ),
    )


def read_security_group_rule(body: dict[str, Any]) -> SecurityGroupRule:
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


def read_port(body: dict[str, Any]) -> Port:
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

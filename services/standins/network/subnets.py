"""Subnets.

Owns: `/v2.0/subnets`; which blocks, gateways and pools are consistent.
May not: hand out addresses; addresses.py does. Crash story: see store.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from services.standins.network.addresses import Network, parse_ip
from services.standins.network.model import Model, bad, not_found, owns
from services.standins.network.resource import Resource, StandardBody
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, complete

Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


class Pool(Body):
    start: str
    end: str


class HostRoute(Body):
    destination: str
    nexthop: str


class SubnetBody(StandardBody):
    network_id: str
    cidr: str | None = None
    ip_version: Literal[4, 6] = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    allocation_pools: list[Pool] | None = None
    dns_nameservers: list[str] = Field(default_factory=list)
    host_routes: list[HostRoute] = Field(default_factory=list)
    ipv6_ra_mode: Ipv6Mode | None = None
    ipv6_address_mode: Ipv6Mode | None = None
    subnetpool_id: str | None = None
    use_default_subnetpool: bool = False
    prefixlen: int | None = None
    service_types: list[str] = Field(default_factory=list)
    segment_id: str | None = None


class Subnets(Resource):
    name, plural, kind, body = "subnet", "subnets", "Subnet", SubnetBody
    fixed = frozenset(
        {
            "network_id",
            "cidr",
            "ip_version",
            "subnetpool_id",
            "prefixlen",
            "use_default_subnetpool",
            "ipv6_ra_mode",
            "ipv6_address_mode",
        }
    )

    def __init__(self, model: Model) -> None:
        super().__init__(model, model.subnets)

    def visible(self, call: Call, doc: Doc) -> bool:
        if owns(call.caller, doc):
            return True
        network = self.model.networks.get(doc["network_id"])
        return network is not None and network["shared"]

    def candidates(self, call: Call) -> Iterable[Doc]:
        networks = call.query.getall("network_id", [])
        if len(networks) == 1 and "id" not in call.query:
            return self.model.subnets.find("network", networks[0])
        return super().candidates(call)

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        network = self.model.need_network(call.caller, sent.network_id)
        if not owns(call.caller, network):
            raise Fault(403, "Only the owner of a network adds subnets.", "PolicyNotAuthorized")
        if sent.subnetpool_id is not None or sent.use_default_subnetpool:
            raise not_found("SubnetPool", sent.subnetpool_id or "default")
        fields = complete(sent)
        if "gateway_ip" not in sent.model_fields_set:
            fields["gateway_ip"] = "auto"
        return make_subnet(self.model, fields, project_id)

    def change(self, call: Call, old: Doc, changes: Doc) -> Doc:  # noqa: ARG002
        doc = {**old, **changes}
        block = ipaddress.ip_network(doc["cidr"])
        if doc["gateway_ip"] is not None:
            doc["gateway_ip"] = _gateway(block, doc["gateway_ip"])
        if "gateway_ip" in changes and changes["gateway_ip"] != old["gateway_ip"]:
            held = self.model.ports.first("ip", old["gateway_ip"])
            if held is not None and any(f["subnet_id"] == old["id"] for f in held["fixed_ips"]):
                raise Fault(
                    409,
                    f"Current gateway ip {old['gateway_ip']} already in use by port {held['id']}."
                    " Unable to update.",
                    "GatewayIpInUse",
                )
        doc["allocation_pools"] = _pools(block, doc["gateway_ip"], doc["allocation_pools"])
        return doc

    def remove(self, call: Call, doc: Doc) -> None:
        if self.model.ports.count("subnet", doc["id"]):
            raise Fault(
                409,
                f"Unable to complete operation on subnet {doc['id']}: One or more ports have an IP"
                " allocation from this subnet.",
                "SubnetInUse",
            )
        super().remove(call, doc)


def make_subnet(model: Model, fields: Doc, project_id: str, subnet_id: str | None = None) -> Doc:
    """Keep a new subnet; `gateway_ip` may be "auto", `allocation_pools` None for all there is."""
    fields = dict(fields)
    for name in ("use_default_subnetpool", "prefixlen", "segment_id"):
        fields.pop(name, None)
    block = _block(fields["cidr"], fields["ip_version"])
    for other in model.subnets.find("network", fields["network_id"]):
        if other["ip_version"] == block.version and _overlap(block, other["cidr"]):
            raise bad(
                f"Requested subnet with cidr: {block} for network: {fields['network_id']}"
                " overlaps with another subnet"
            )
    gateway = fields["gateway_ip"]
    if gateway == "auto":
        gateway = str(block.network_address + (1 if block.num_addresses > 2 else 0))
    elif gateway is not None:
        gateway = _gateway(block, gateway)
    for server in fields["dns_nameservers"]:
        parse_ip(server, "dns_nameservers")
    doc = {
        **fields,
        "cidr": str(block),
        "gateway_ip": gateway,
        "allocation_pools": _pools(block, gateway, fields["allocation_pools"]),
    }
    if subnet_id is not None:
        doc["id"] = subnet_id
    return model.subnets.put(model.new(doc, project_id))


def _block(cidr: str | None, version: int) -> Network:
    """The address block. Host bits are dropped: clients send `10.99.99.0/16` and mean it."""
    if cidr is None:
        raise Fault(400, "Bad subnets request: a cidr must be specified.", "BadRequest")
    try:
        block = ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        raise bad(f"cidr '{cidr}' is not an address block ({error})") from error
    if block.version != version:
        raise bad(f"ip_version {version} does not match cidr {cidr}")
    return block


def _overlap(block: Network, cidr: str) -> bool:
    return block.overlaps(ipaddress.ip_network(cidr))


def _gateway(block: Network, text: str) -> str:
    address = parse_ip(text, "gateway_ip")
    inside = address.version == block.version and address in block
    if not inside and not address.is_link_local:
        raise bad(f"gateway_ip {text} is not in {block}", "InvalidInput")
    return str(address)


def _pools(block: Network, gateway: str | None, pools: list[Doc] | None) -> list[Doc]:
    """The pools as given, checked; or everything but the ends of the block and the gateway."""
    if pools is not None:
        return _checked_pools(block, gateway, pools)
    first, last = int(block.network_address), int(block.broadcast_address)
    if block.num_addresses > 2:
        first, last = first + 1, last - (1 if block.version == 4 else 0)
    cuts = [(first, last)]
    if gateway is not None and first <= (at := int(ipaddress.ip_address(gateway))) <= last:
        cuts = [(first, at - 1), (at + 1, last)]
    make = ipaddress.IPv4Address if block.version == 4 else ipaddress.IPv6Address
    return [{"start": str(make(low)), "end": str(make(high))} for low, high in cuts if low <= high]


def _checked_pools(block: Network, gateway: str | None, pools: list[Doc]) -> list[Doc]:
    spans: list[tuple[int, int]] = []
    for pool in pools:
        start = parse_ip(pool["start"], "allocation_pools.start")
        end = parse_ip(pool["end"], "allocation_pools.end")
        if start not in block or end not in block or int(start) > int(end):
            raise Fault(
                400,
                f"The allocation pool {start}-{end} is not valid in subnet {block}.",
                "OutOfBoundsAllocationPool",
            )
        if any(int(start) <= high and low <= int(end) for low, high in spans):
            raise Fault(
                409, f"Found overlapping allocation pools in {block}.", "OverlappingAllocationPools"
            )
        spans.append((int(start), int(end)))
        if gateway is not None:
            at = parse_ip(gateway, "gateway_ip")
            if at.version == start.version and int(start) <= int(at) <= int(end):
                raise Fault(
                    409,
                    f"Gateway ip {gateway} conflicts with allocation pool {start}-{end}.",
                    "GatewayConflictWithAllocationPools",
                )
    return [{"start": p["start"], "end": p["end"]} for p in pools]

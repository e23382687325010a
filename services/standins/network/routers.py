"""Routers, their interfaces and gateways.

Owns: `/v2.0/routers`. May not: know floating IPs beyond whether one needs an interface.
Crash story: see store.py; a router and its ports change in one transaction.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from services.standins.network.addresses import Addresses
from services.standins.network.model import (
    OWNER_GATEWAY,
    OWNER_INTERFACE,
    ZONE,
    Model,
    bad,
    not_found,
    owns,
)
from services.standins.network.ports import FixedIp, bound, internal_port, make_port
from services.standins.network.resource import Resource, StandardBody
from services.standins.network.subnets import HostRoute
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, Route, complete, parse_inner


class Gateway(Body):
    network_id: str | None = None
    enable_snat: bool = True
    external_fixed_ips: list[FixedIp] | None = None


class RouterBody(StandardBody):
    admin_state_up: bool = True
    external_gateway_info: Gateway | None = None
    routes: list[HostRoute] = Field(default_factory=list)
    availability_zone_hints: list[str] = Field(default_factory=list)
    distributed: bool | None = False
    ha: bool | None = False
    flavor_id: str | None = None


class InterfaceBody(Body):
    subnet_id: str | None = None
    port_id: str | None = None


class Routers(Resource):
    name, plural, kind, body = "router", "routers", "Router", RouterBody
    fixed = frozenset({"availability_zone_hints", "flavor_id"})

    def __init__(self, model: Model, addresses: Addresses) -> None:
        super().__init__(model, model.routers)
        self._addresses = addresses

    def routes(self) -> Iterable[Route]:
        yield from super().routes()
        yield Route("PUT", "/v2.0/routers/{id}/add_router_interface", self.add)
        yield Route("PUT", "/v2.0/routers/{id}/remove_router_interface", self.remove_one)

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        fields = complete(sent)
        gateway = fields.pop("external_gateway_info")
        router = make_router(self.model, fields, project_id)
        if gateway is not None and gateway["network_id"] is not None:
            self.model.need_network(call.caller, gateway["network_id"])
            router = self.docs.put(set_gateway(self.model, self._addresses, router, gateway))
        return router

    def change(self, call: Call, old: Doc, changes: Doc) -> Doc:
        gateway = changes.pop("external_gateway_info", "same")
        doc = {**old, **changes}
        if gateway == "same":
            return doc
        if gateway is not None and gateway["network_id"] is None:
            gateway = None
        if gateway is not None:
            self.model.need_network(call.caller, gateway["network_id"])
        present = old["external_gateway_info"]
        if present is not None and gateway is not None:
            same_network = present["network_id"] == gateway["network_id"]
            if same_network and gateway["external_fixed_ips"] is None:
                return {
                    **doc,
                    "external_gateway_info": {**present, "enable_snat": gateway["enable_snat"]},
                }
        if present is not None:
            self._clear_gateway(old, gateway)
            doc["external_gateway_info"] = None
        return doc if gateway is None else set_gateway(self.model, self._addresses, doc, gateway)

    def _clear_gateway(self, router: Doc, successor: Doc | None) -> None:
        network_id = router["external_gateway_info"]["network_id"]
        stays = successor is not None and successor["network_id"] == network_id
        if not stays and self.model.floating_ips.count("router", router["id"]):
            raise Fault(
                409,
                f"Gateway cannot be updated for router {router['id']}, since a gateway to external"
                f" network {network_id} is required by one or more floating IPs.",
                "RouterExternalGatewayInUseByFloatingIp",
            )
        for port in self.model.ports.find("device", router["id"]):
            if port["device_owner"] == OWNER_GATEWAY:
                self.model.ports.delete(port["id"])

    def remove(self, call: Call, doc: Doc) -> None:
        ports = self.model.ports.find("device", doc["id"])
        if any(p["device_owner"] == OWNER_INTERFACE for p in ports):
            raise Fault(409, f"Router {doc['id']} still has ports", "RouterInUse")
        for port in ports:
            self.model.ports.delete(port["id"])
        super().remove(call, doc)

    def add(self, call: Call) -> Reply:
        router = self.need(call, to_change=True)
        sent = parse_inner(InterfaceBody, call.body)
        if (sent.subnet_id is None) == (sent.port_id is None):
            raise Fault(400, "Bad router request: give either subnet_id or port_id.", "BadRequest")
        if sent.port_id is not None:
            port = self._adopt(call, router, sent.port_id)
        else:
            subnet = self.model.need(self.model.subnets, sent.subnet_id, "Subnet")
            network = self.model.networks.get(subnet["network_id"])
            if not owns(call.caller, subnet) and not (network and network["shared"]):
                raise not_found("Subnet", sent.subnet_id)
            port = add_interface(self.model, self._addresses, router, subnet)
        return Reply(body=_interface(router, port))

    def _adopt(self, call: Call, router: Doc, port_id: str) -> Doc:
        """Make a free port of the caller's an interface of the router."""
        port = self.model.ports.get(port_id)
        if port is None or not owns(call.caller, port):
            raise not_found("Port", port_id)
        if port["device_id"]:
            raise Fault(
                409,
                f"Unable to complete operation on port {port_id} for network {port['network_id']}."
                f" Port already has an attached device {port['device_id']}.",
                "PortInUse",
            )
        for fixed in port["fixed_ips"]:
            subnet = self.model.need(self.model.subnets, fixed["subnet_id"], "Subnet")
            _check_overlap(self.model, router, subnet)
        taken = {**port, "device_id": router["id"], "device_owner": OWNER_INTERFACE}
        return self.model.ports.put(self.model.changed(bound(taken)))

    def remove_one(self, call: Call) -> Reply:
        router = self.need(call, to_change=True)
        sent = parse_inner(InterfaceBody, call.body)
        if sent.subnet_id is None and sent.port_id is None:
            raise Fault(400, "Bad router request: give subnet_id or port_id.", "BadRequest")
        for port in interfaces(self.model, router):
            subnets = [f["subnet_id"] for f in port["fixed_ips"]]
            if sent.port_id in {None, port["id"]} and (
                sent.subnet_id is None or sent.subnet_id in subnets
            ):
                self._check_unused(router, subnets)
                self.model.ports.delete(port["id"])
                return Reply(body=_interface(router, port))
        if sent.subnet_id is not None:
            self.model.need(self.model.subnets, sent.subnet_id, "Subnet")
        raise Fault(
            404,
            f"Router {router['id']} does not have an interface with id"
            f" {sent.port_id or sent.subnet_id}",
            "RouterInterfaceNotFound" if sent.port_id else "RouterInterfaceNotFoundForSubnet",
        )

    def _check_unused(self, router: Doc, subnets: list[str]) -> None:
        for floating in self.model.floating_ips.find("router", router["id"]):
            port = self.model.ports.get(floating["port_id"])
            if port and any(f["subnet_id"] in subnets for f in port["fixed_ips"]):
                raise Fault(
                    409,
                    f"Router interface for subnet {subnets[0]} on router {router['id']} cannot be"
                    " deleted, as it is required by one or more floating IPs.",
                    "RouterInterfaceInUseByFloatingIP",
                )


def make_router(model: Model, fields: Doc, project_id: str, router_id: str | None = None) -> Doc:
    """Keep a new router without gateway."""
    doc = {
        **complete(RouterBody()),
        **fields,
        "external_gateway_info": None,
        "distributed": bool(fields.get("distributed")),
        "ha": bool(fields.get("ha")),
        "status": "ACTIVE",
        "availability_zones": [ZONE],
    }
    if router_id is not None:
        doc["id"] = router_id
    return model.routers.put(model.new(doc, project_id))


def set_gateway(model: Model, addresses: Addresses, router: Doc, gateway: Doc) -> Doc:
    """The router with a gateway port on an external network; the caller keeps it."""
    network = model.need(model.networks, gateway["network_id"], "Network")
    if not network["router:external"]:
        raise Fault(
            400,
            f"Bad router request: Network {network['id']} is not an external network.",
            "BadRequest",
        )
    fields = internal_port(OWNER_GATEWAY, router["id"], gateway.get("external_fixed_ips"))
    fields["network_id"] = network["id"]
    port = make_port(model, addresses, network, fields, "")
    info = {
        "network_id": network["id"],
        "enable_snat": gateway.get("enable_snat", True),
        "external_fixed_ips": port["fixed_ips"],
    }
    return {**router, "external_gateway_info": info}


def add_interface(model: Model, addresses: Addresses, router: Doc, subnet: Doc) -> Doc:
    """A port of the router that holds the subnet's gateway address."""
    if subnet["gateway_ip"] is None:
        raise bad(f"Subnet {subnet['id']} must have a gateway IP", "BadRequest")
    _check_overlap(model, router, subnet)
    network = model.need(model.networks, subnet["network_id"], "Network")
    address = {"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}
    fields = internal_port(OWNER_INTERFACE, router["id"], [address])
    fields["network_id"] = network["id"]
    return make_port(model, addresses, network, fields, router["project_id"])


def interfaces(model: Model, router: Doc) -> list[Doc]:
    ports = model.ports.find("device", router["id"])
    return [p for p in ports if p["device_owner"] == OWNER_INTERFACE]


def _check_overlap(model: Model, router: Doc, subnet: Doc) -> None:
    block = ipaddress.ip_network(subnet["cidr"])
    for port in interfaces(model, router):
        for fixed in port["fixed_ips"]:
            other = model.need(model.subnets, fixed["subnet_id"], "Subnet")
            if other["id"] == subnet["id"]:
                raise Fault(
                    400,
                    f"Bad router request: Router already has a port on subnet {subnet['id']}.",
                    "BadRequest",
                )
            cidr = ipaddress.ip_network(other["cidr"])
            if cidr.version == block.version and cidr.overlaps(block):
                raise Fault(
                    400,
                    f"Bad router request: Cidr {block} of subnet {subnet['id']} overlaps with cidr"
                    f" {cidr} of subnet {other['id']}.",
                    "BadRequest",
                )


def _interface(router: Doc, port: Doc) -> Doc:
    subnets = [f["subnet_id"] for f in port["fixed_ips"]]
    return {
        "id": router["id"],
        "tenant_id": router["tenant_id"],
        "project_id": router["project_id"],
        "port_id": port["id"],
        "network_id": port["network_id"],
        "subnet_id": subnets[0] if subnets else None,
        "subnet_ids": subnets,
        "tags": router["tags"],
    }

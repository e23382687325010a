"""Floating IPs.

Owns: `/v2.0/floatingips`. May not: change the ports it points to. Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.standins.network.addresses import Addresses
from services.standins.network.events import Events
from services.standins.network.model import OWNER_FLOATING_IP, Model, not_found, owns
from services.standins.network.ports import internal_port, make_port
from services.standins.network.resource import Resource, StandardBody
from services.standins.network.routers import interfaces
from services.standins.store import Doc
from services.standins.web import Call, Fault, complete

PORT_DETAILS = (
    "device_id",
    "device_owner",
    "network_id",
    "mac_address",
    "status",
    "name",
    "admin_state_up",
)


class FloatingIpBody(StandardBody):
    floating_network_id: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    floating_ip_address: str | None = None
    subnet_id: str | None = None
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: None = None


class FloatingIps(Resource):
    name, plural, kind, body = "floatingip", "floatingips", "FloatingIP", FloatingIpBody
    fixed = frozenset({"floating_network_id", "floating_ip_address", "subnet_id"})

    def __init__(self, model: Model, addresses: Addresses, events: Events) -> None:
        super().__init__(model, model.floating_ips)
        self._addresses = addresses
        self._events = events

    def candidates(self, call: Call) -> Iterable[Doc]:
        if "id" not in call.query:
            for name, index in (("port_id", "port"), ("floating_ip_address", "address")):
                if name in call.query:
                    keys = dict.fromkeys(call.query.getall(name))
                    return [doc for key in keys for doc in self.docs.find(index, key)]
        return super().candidates(call)

    def view(self, call: Call, doc: Doc) -> Doc:
        view = super().view(call, doc)
        port = self.model.ports.get(doc["port_id"]) if doc["port_id"] else None
        view["port_details"] = {n: port[n] for n in PORT_DETAILS} if port is not None else None
        return view

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        network = self.model.need_network(call.caller, sent.floating_network_id)
        if not network["router:external"]:
            raise Fault(
                400,
                f"Bad floatingip request: Network {network['id']} is not a valid external network.",
                "BadRequest",
            )
        fields = complete(sent)
        subnet_id = fields.pop("subnet_id")
        wanted = {"subnet_id": subnet_id, "ip_address": sent.floating_ip_address}
        asked = [{k: v for k, v in wanted.items() if v is not None}]
        floating_id = str(self.model.ids.uuid())
        port_fields = internal_port(OWNER_FLOATING_IP, floating_id, asked if asked[0] else None)
        port_fields["network_id"] = network["id"]
        port = make_port(self.model, self._addresses, network, port_fields, "")
        addresses = [f["ip_address"] for f in port["fixed_ips"] if ":" not in f["ip_address"]]
        if not addresses:
            raise Fault(
                409,
                f"No more IP addresses available on network {network['id']}.",
                "ExternalIpAddressExhausted",
            )
        doc = {
            **fields,
            "id": floating_id,
            "floating_ip_address": addresses[0],
            "port_forwardings": [],
            "_port_id": port["id"],
        }
        doc = self._associated(call, doc, sent.port_id, sent.fixed_ip_address)
        self._tell(call, sent.port_id)
        return self.docs.put(self.model.new(doc, project_id))

    def change(self, call: Call, old: Doc, changes: Doc) -> Doc:
        doc = {**old, **{k: v for k, v in changes.items() if k != "subnet_id"}}
        if "port_id" in changes or "fixed_ip_address" in changes:
            address = changes.get("fixed_ip_address")
            doc = self._associated(call, doc, doc["port_id"], address)
            for port_id in dict.fromkeys((old["port_id"], doc["port_id"])):
                self._tell(call, port_id)
        return doc

    def remove(self, call: Call, doc: Doc) -> None:
        self._tell(call, doc["port_id"])
        self.model.ports.delete(doc["_port_id"])
        super().remove(call, doc)

    def _tell(self, call: Call, port_id: str | None) -> None:
        if port_id is not None:
            self._events.tell(call.caller, self.model.ports.get(port_id))

    def _associated(self, call: Call, doc: Doc, port_id: str | None, address: str | None) -> Doc:
        """The floating IP pointing at an address of a port, or at nothing."""
        if port_id is None:
            if address is not None:
                raise Fault(
                    400,
                    "Bad floatingip request: fixed_ip_address cannot be specified without a"
                    " port_id.",
                    "BadRequest",
                )
            nothing = {"port_id": None, "fixed_ip_address": None, "router_id": None}
            return {**doc, **nothing, "status": "DOWN"}
        port = self.model.ports.get(port_id)
        if port is None or not owns(call.caller, port):
            raise not_found("Port", port_id)
        fixed = self._fixed_ip(port, address)
        for other in self.docs.find("port", port_id):
            if other["id"] != doc["id"] and other["fixed_ip_address"] == fixed["ip_address"]:
                raise Fault(
                    409,
                    f"Cannot associate floating IP {doc['floating_ip_address']} with port"
                    f" {port_id} using fixed IP {fixed['ip_address']}, as that fixed IP already"
                    f" has a floating IP on external network {doc['floating_network_id']}.",
                    "FloatingIPPortAlreadyAssociated",
                )
        router_id = self._router(doc["floating_network_id"], fixed["subnet_id"], port_id)
        pointing = {"port_id": port_id, "fixed_ip_address": fixed["ip_address"]}
        return {**doc, **pointing, "router_id": router_id, "status": "ACTIVE"}

    def _fixed_ip(self, port: Doc, address: str | None) -> Doc:
        fixed_ips: list[Doc] = [f for f in port["fixed_ips"] if ":" not in f["ip_address"]]
        if address is not None:
            fixed_ips = [f for f in fixed_ips if f["ip_address"] == address]
        if not fixed_ips:
            what = f"fixed ip {address}" if address else "IPv4 address"
            raise Fault(
                400, f"Bad floatingip request: Port {port['id']} has no {what}.", "BadRequest"
            )
        return fixed_ips[0]

    def _router(self, external_id: str, subnet_id: str, port_id: str) -> str:
        """The router that joins the port's subnet to the external network."""
        for holder in self.model.ports.find("subnet", subnet_id):
            router = self.model.routers.get(holder["device_id"])
            if router is None or not (gateway := router["external_gateway_info"]):
                continue
            if gateway["network_id"] == external_id and holder in interfaces(self.model, router):
                return str(router["id"])
        raise Fault(
            404,
            f"External network {external_id} is not reachable from subnet {subnet_id}. Therefore,"
            f" cannot associate Port {port_id} with a Floating IP.",
            "ExternalGatewayForFloatingIPNotFound",
        )

"""Ports.

Owns: `/v2.0/ports`, what binding a port means.
May not: choose addresses (addresses.py) or keep spare bindings (bindings.py).
Crash story: see store.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field, field_validator

from services.standins.network import query
from services.standins.network.addresses import Addresses, new_mac
from services.standins.network.events import DELETED, PLUGGED, UNPLUGGED, Events
from services.standins.network.model import (
    OWNER_FLOATING_IP,
    OWNERS_OF_SERVICE,
    Model,
    not_found,
    owns,
)
from services.standins.network.resource import Resource, StandardBody
from services.standins.network.security_groups import ensure_default_group
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, complete

INDEXED = {"device_id": "device", "binding:host_id": "host", "network_id": "network"}
"""Filters with an index, the most selective first."""
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
BINDING_FOR_ADMINS = (
    "binding:host_id",
    "binding:profile",
    "binding:vif_type",
    "binding:vif_details",
)
VIF_BOUND = {"binding:vif_type": "ovs", "binding:vif_details": {"port_filter": True}}
VIF_UNBOUND: Doc = {"binding:vif_type": "unbound", "binding:vif_details": {}}
FAILING_HOST = "binding-failed"
"""A host on which no port can be bound; for trying out what callers do then."""
VIF_FAILED: Doc = {"binding:vif_type": "binding_failed", "binding:vif_details": {}}


class FixedIp(Body):
    subnet_id: str | None = None
    ip_address: str | None = None


class AddressPair(Body):
    ip_address: str
    mac_address: str | None = None


class DhcpOption(Body):
    opt_name: str
    opt_value: str | None = None
    ip_version: int = 4


class PortBody(StandardBody):
    network_id: str
    admin_state_up: bool = True
    mac_address: str | None = None
    fixed_ips: list[FixedIp] | None = None
    device_id: str = Field(default="", max_length=255)
    device_owner: str = Field(default="", max_length=255)
    security_groups: list[str] | None = None
    port_security_enabled: bool | None = None
    allowed_address_pairs: list[AddressPair] = Field(default_factory=list)
    extra_dhcp_opts: list[DhcpOption] = Field(default_factory=list)
    dns_name: str = Field(default="", max_length=255)
    tags: list[str] = Field(default_factory=list)
    host_id: str | None = Field(default="", alias="binding:host_id", max_length=255)
    profile: dict[str, Any] | None = Field(default_factory=dict, alias="binding:profile")
    vnic_type: str = Field(default="normal", alias="binding:vnic_type", max_length=64)

    @field_validator("mac_address")
    @classmethod
    def _is_mac(cls, value: str | None) -> str | None:
        if value is None:
            return None
        lower = value.lower().replace("-", ":")
        if not MAC.fullmatch(lower):
            raise ValueError(f"'{value}' is not a MAC address")
        return lower


class Ports(Resource):
    name, plural, kind, body = "port", "ports", "Port", PortBody
    fixed = frozenset({"network_id"})
    for_admins = frozenset({"binding:host_id", "binding:profile"})

    def __init__(
        self, model: Model, addresses: Addresses, events: Events, up_delay_s: float
    ) -> None:
        super().__init__(model, model.ports)
        self._addresses = addresses
        self._events = events
        self._up_delay_s = up_delay_s

    def visible(self, call: Call, doc: Doc) -> bool:
        if owns(call.caller, doc):
            return True
        network = self.model.networks.get(doc["network_id"])
        return network is not None and owns(call.caller, network)

    def view(self, call: Call, doc: Doc) -> Doc:
        carrier = self.model.trunks.first("subport", doc["id"])
        parent = self.model.ports.get(carrier["port_id"]) if carrier else None
        if parent is not None:  # a subport is wherever the port is that carries it
            doc = bound({**doc, "binding:host_id": parent["binding:host_id"]})
        if doc.get("_up_at", 0.0) > self._now():
            doc = {**doc, "status": "DOWN"}
        hidden = () if call.caller.is_admin else BINDING_FOR_ADMINS
        view = {k: v for k, v in doc.items() if k[0] != "_" and k not in hidden}
        trunk = self.model.trunks.first("port", doc["id"])
        if trunk is not None:
            view["trunk_details"] = {"trunk_id": trunk["id"], "sub_ports": trunk["sub_ports"]}
        return view

    def candidates(self, call: Call) -> Iterable[Doc]:
        if "id" not in call.query:
            for name, index in INDEXED.items():
                if name in call.query:
                    keys = dict.fromkeys(call.query.getall(name))
                    return [doc for key in keys for doc in self.docs.find(index, key)]
            pairs = [p.partition("=") for p in call.query.getall("fixed_ips", [])]
            exact = [value for key, _, value in pairs if key == "ip_address"]
            if exact:
                found = (doc for value in exact for doc in self.docs.find("ip", value))
                return list({doc["id"]: doc for doc in found}.values())
        return super().candidates(call)

    def list_reply(self, call: Call, docs: Sequence[Doc]) -> Reply:
        return super().list_reply(call, query.matching_fixed_ips(docs, call.query))

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        network = self.model.need_network(call.caller, sent.network_id)
        fields = complete(sent)
        fields["security_groups"] = self._groups(call, fields, network, project_id)
        port = make_port(self.model, self._addresses, network, fields, project_id)
        return self.docs.put(self._wired(call, None, port))

    def change(self, call: Call, old: Doc, changes: Doc) -> Doc:
        doc = {**old, **changes}
        network = self.model.need(self.model.networks, old["network_id"], "Network")
        if doc["mac_address"] is None:
            doc["mac_address"] = old["mac_address"]
        elif doc["mac_address"] != old["mac_address"]:
            call.require_admin("update_port:mac_address")
            if old["binding:host_id"]:
                raise Fault(409, f"Port {old['id']} is bound: the MAC is fixed.", "PortBound")
            check_mac(self.model, network["id"], doc["mac_address"], old["id"])
        if "fixed_ips" in changes:
            wanted = _as_wanted(changes["fixed_ips"] or [])
            mac = doc["mac_address"]
            doc["fixed_ips"] = self._addresses.assign(network, wanted, mac, keep=old["id"])
            self._release_floating(old, doc)
        if "security_groups" in changes or "port_security_enabled" in changes:
            if doc["port_security_enabled"] is None:
                doc["port_security_enabled"] = old["port_security_enabled"]
            doc["security_groups"] = self._groups(call, doc, network, old["project_id"])
        if changes.get("binding:host_id", old["binding:host_id"]) != old["binding:host_id"]:
            doc["_bindings"] = {}
        doc = bound(doc)
        if doc != old:
            self._events.tell(call.caller, doc)
        return self._wired(call, old, doc)

    def _now(self) -> float:
        return self.model.clock.utcnow().timestamp()

    def _wired(self, call: Call, old: Doc | None, doc: Doc) -> Doc:
        """With the time from which it carries traffic; whoever uses it is told when it begins and
        when it ends."""
        was_up = old is not None and old["status"] == "ACTIVE"
        moved = old is None or old["binding:host_id"] != doc["binding:host_id"]
        if doc["status"] == "ACTIVE" and (moved or not was_up):
            if self._up_delay_s:
                self._events.tell_later(self._up_delay_s, doc, PLUGGED)
                return {**doc, "_up_at": self._now() + self._up_delay_s}
            self._events.tell(call.caller, doc, PLUGGED)
        elif was_up and doc["status"] != "ACTIVE":
            self._events.tell(call.caller, old, UNPLUGGED)
        return doc

    def remove(self, call: Call, doc: Doc) -> None:
        if doc["device_owner"] in OWNERS_OF_SERVICE:
            raise Fault(
                409,
                f"Port {doc['id']} cannot be deleted directly via the port API: has device owner"
                f" {doc['device_owner']}.",
                "ServicePortInUse",
            )
        for trunk in self.model.trunks.find("port", doc["id"]):
            raise Fault(
                409,
                f"Port {doc['id']} is currently a parent port for trunk {trunk['id']}.",
                "PortInUseAsTrunkParent",
            )
        for trunk in self.model.trunks.find("subport", doc["id"]):
            raise Fault(
                409,
                f"Port {doc['id']} is currently a subport for trunk {trunk['id']}.",
                "PortInUseAsSubPort",
            )
        self._release_floating(doc, {"fixed_ips": []})
        self._events.tell(call.caller, doc, DELETED)
        super().remove(call, doc)

    def _groups(self, call: Call, fields: Doc, network: Doc, project_id: str) -> list[str]:
        """The port's groups: those named, or the project's default, or none without security."""
        secure = fields["port_security_enabled"]
        if secure is None:
            secure = fields["port_security_enabled"] = network["port_security_enabled"]
        named = fields["security_groups"]
        if not secure:
            if named:
                raise Fault(
                    400,
                    "Port security must be enabled in order to have security groups on a port.",
                    "PortSecurityAndIPRequiredForSecurityGroups",
                )
            return []
        default = ensure_default_group(self.model, project_id)
        if named is None:
            service = fields["device_owner"].startswith("network:")
            return [] if service or not default else [default]
        for group_id in named:
            group = self.model.groups.get(group_id)
            if group is None or not owns(call.caller, group):
                raise not_found("SecurityGroup", group_id)
        return list(dict.fromkeys(named))

    def _release_floating(self, old: Doc, new: Doc) -> None:
        """Part floating IPs from addresses that the port no longer has."""
        kept = {f["ip_address"] for f in new["fixed_ips"]}
        for floating in self.model.floating_ips.find("port", old["id"]):
            if floating["fixed_ip_address"] not in kept:
                released = {
                    **floating,
                    "port_id": None,
                    "fixed_ip_address": None,
                    "router_id": None,
                    "status": "DOWN",
                }
                self.model.floating_ips.put(self.model.changed(released))


def check_mac(model: Model, network_id: str, mac: str, keep: str = "") -> None:
    holder = model.ports.first("mac", (network_id, mac))
    if holder is not None and holder["id"] != keep:
        raise Fault(
            409,
            f"Unable to complete operation for network {network_id}. The mac address {mac} is in"
            " use.",
            "MacAddressInUse",
        )


def make_port(
    model: Model, addresses: Addresses, network: Doc, fields: Doc, project_id: str
) -> Doc:
    """Keep a new port; `fields` as the body names them, with its security groups decided."""
    mac = fields["mac_address"]
    if mac is None:
        mac = new_mac(model, network["id"])
    else:
        check_mac(model, network["id"], mac)
    wanted = None if fields["fixed_ips"] is None else _as_wanted(fields["fixed_ips"])
    doc = {
        **fields,
        "mac_address": mac,
        "fixed_ips": addresses.assign(network, wanted, mac),
        "resource_request": None,
        "dns_assignment": [],
        "propagate_uplink_status": True,
        "_bindings": {},
    }
    return model.ports.put(model.new(bound(doc), project_id))


def internal_port(owner: str, device_id: str, fixed_ips: list[Doc] | None) -> Doc:
    """Fields of a port that belongs to a router or a floating IP."""
    body = PortBody(network_id="")
    fields = complete(body)
    return {
        **fields,
        "device_owner": owner,
        "device_id": device_id,
        "fixed_ips": fixed_ips,
        "security_groups": [],
        "port_security_enabled": False,
    }


def bound(doc: Doc) -> Doc:
    """The port with the VIF and the status that follow from its host and its owner."""
    host = doc["binding:host_id"] or ""
    vif = VIF_BOUND if host else VIF_UNBOUND
    status = "ACTIVE" if host and doc["admin_state_up"] else "DOWN"
    if host == FAILING_HOST:
        vif, status = VIF_FAILED, "DOWN"
    if doc["device_owner"] in OWNERS_OF_SERVICE:
        status = "N/A" if doc["device_owner"] == OWNER_FLOATING_IP else "ACTIVE"
    profile = doc["binding:profile"] or {}
    return {**doc, **vif, "binding:host_id": host, "binding:profile": profile, "status": status}


def _as_wanted(fixed_ips: list[Doc]) -> list[Doc]:
    return [{k: v for k, v in one.items() if v is not None} for one in fixed_ips]

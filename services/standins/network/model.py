"""What the network stand-in keeps.

Owns: the collections and their indexes, visibility, the fields every resource has.
May not: know HTTP beyond `Fault`.
Crash story: all state is in the store; address pools and quota use are indexes, so they cannot
disagree with the ports.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterable

from common.runtime.ports import Clock, Ids
from services.standins.store import Collection, Doc, Keys, Store
from services.standins.web import Caller, Fault

ZONE = "nova"
OWNER_INTERFACE = "network:router_interface"
OWNER_GATEWAY = "network:router_gateway"
OWNER_FLOATING_IP = "network:floatingip"
OWNERS_OF_SERVICE = frozenset({OWNER_INTERFACE, OWNER_GATEWAY, OWNER_FLOATING_IP})
"""Ports that belong to another resource and go with it."""

OwnKeys = Iterable[Hashable]


def _addresses(port: Doc) -> OwnKeys:
    return [(f["subnet_id"], int(ipaddress.ip_address(f["ip_address"]))) for f in port["fixed_ips"]]


def _field(name: str) -> Keys:
    return lambda doc: [doc[name]]


_project = _field("project_id")


class Model:
    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.networks = store.collection("network.network", project=_project)
        self.subnets = store.collection(
            "network.subnet", project=_project, network=_field("network_id")
        )
        self.ports = store.collection(
            "network.port",
            project=_project,
            network=_field("network_id"),
            device=_field("device_id"),
            host=_field("binding:host_id"),
            subnet=lambda d: {f["subnet_id"]: None for f in d["fixed_ips"]},
            address=_addresses,
            ip=lambda d: {f["ip_address"]: None for f in d["fixed_ips"]},
            mac=lambda d: [(d["network_id"], d["mac_address"])],
            group=lambda d: d["security_groups"],
        )
        self.routers = store.collection("network.router", project=_project)
        self.floating_ips = store.collection(
            "network.floating_ip",
            project=_project,
            port=_field("port_id"),
            router=_field("router_id"),
            address=_field("floating_ip_address"),
        )
        self.groups = store.collection("network.security_group", project=_project)
        self.rules = store.collection(
            "network.security_group_rule",
            project=_project,
            group=_field("security_group_id"),
            remote=_field("remote_group_id"),
        )
        self.trunks = store.collection(
            "network.trunk",
            project=_project,
            port=_field("port_id"),
            subport=lambda d: [s["port_id"] for s in d["sub_ports"]],
        )
        self.quotas = store.collection("network.quota")
        self.topologies = store.collection("network.auto_topology")

    def stamp(self) -> str:
        return self.clock.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")

    def new(self, doc: Doc, project_id: str) -> Doc:
        """`doc` with the fields that every resource starts with."""
        now = self.stamp()
        return {
            "id": str(self.ids.uuid()),
            "tags": [],
            **doc,
            "project_id": project_id,
            "tenant_id": project_id,
            "created_at": now,
            "updated_at": now,
            "revision_number": 1,
        }

    def changed(self, doc: Doc) -> Doc:
        return {
            **doc,
            "updated_at": self.stamp(),
            "revision_number": doc["revision_number"] + 1,
        }

    def need(self, collection: Collection, doc_id: object, kind: str) -> Doc:
        """The document, or 404 with the type by which callers tell what is missing."""
        doc = collection.get(doc_id) if isinstance(doc_id, str) else None
        if doc is None:
            raise not_found(kind, doc_id)
        return doc

    def need_network(self, caller: Caller, network_id: object) -> Doc:
        network = self.need(self.networks, network_id, "Network")
        if not self.network_visible(caller, network):
            raise not_found("Network", network_id)
        return network

    def network_visible(self, caller: Caller, network: Doc) -> bool:
        return owns(caller, network) or network["shared"] or network["router:external"]


def owns(caller: Caller, doc: Doc) -> bool:
    return caller.is_admin or (bool(caller.project_id) and doc["project_id"] == caller.project_id)


def not_found(kind: str, doc_id: object) -> Fault:
    """`kind` is the first part of the error type: `Port` becomes `PortNotFound`."""
    words = {"SecurityGroup": "Security group", "SecurityGroupRule": "Security group rule"}
    name = words.get(kind, kind)
    return Fault(404, f"{name} {doc_id} could not be found.", f"{kind}NotFound")


def bad(message: str, kind: str = "InvalidInput") -> Fault:
    return Fault(400, f"Invalid input for operation: {message}.", kind)

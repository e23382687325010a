"""Networks.

Owns: `/v2.0/networks`. May not: allocate addresses. Crash story: see store.py.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.standins.network.model import ZONE, Model
from services.standins.network.resource import Resource, StandardBody
from services.standins.network.security_groups import ensure_default_group
from services.standins.store import Doc
from services.standins.web import Call, Fault, complete

MTU = 1442
"""1500 less the header of the tunnel that a real tenant network would use."""
PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


class NetworkBody(StandardBody):
    admin_state_up: bool = True
    shared: bool = False
    external: bool = Field(default=False, alias="router:external")
    is_default: bool = False
    mtu: int = Field(default=MTU, ge=68, le=65535)
    port_security_enabled: bool = True
    network_type: str | None = Field(default=None, alias="provider:network_type")
    physical_network: str | None = Field(default=None, alias="provider:physical_network")
    segmentation_id: int | None = Field(default=None, alias="provider:segmentation_id", ge=0)
    availability_zone_hints: list[str] = Field(default_factory=list)


class Networks(Resource):
    name, plural, kind, body = "network", "networks", "Network", NetworkBody
    fixed = frozenset({"availability_zone_hints", *PROVIDER})
    for_admins = frozenset({"shared", "router:external", "is_default", *PROVIDER})

    def __init__(self, model: Model) -> None:
        super().__init__(model, model.networks)

    def visible(self, call: Call, doc: Doc) -> bool:
        return self.model.network_visible(call.caller, doc)

    def view(self, call: Call, doc: Doc) -> Doc:
        view = {**doc, "subnets": [s["id"] for s in self.model.subnets.find("network", doc["id"])]}
        if not call.caller.is_admin:
            for name in PROVIDER:
                del view[name]
        return view

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:  # noqa: ARG002
        ensure_default_group(self.model, project_id)
        return make_network(self.model, complete(sent), project_id)

    def remove(self, call: Call, doc: Doc) -> None:
        if self.model.ports.count("network", doc["id"]):
            raise Fault(
                409,
                f"Unable to complete operation on network {doc['id']}. There are one or more ports"
                " still in use on the network.",
                "NetworkInUse",
            )
        for subnet in self.model.subnets.find("network", doc["id"]):
            self.model.subnets.delete(subnet["id"])
        super().remove(call, doc)


def make_network(model: Model, fields: Doc, project_id: str, network_id: str | None = None) -> Doc:
    """Keep a new network; `fields` as the body names them."""
    doc = {
        **fields,
        "status": "ACTIVE",
        "availability_zones": [ZONE],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    }
    if doc["provider:network_type"] is None:
        doc["provider:network_type"] = "geneve"
        doc["provider:segmentation_id"] = len(model.networks) + 1
    if network_id is not None:
        doc["id"] = network_id
    return model.networks.put(model.new(doc, project_id))

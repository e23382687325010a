"""Trunks: one port that carries others.

Owns: `/v2.0/trunks`. May not: change ports beyond their owner. Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from services.standins.network.model import Model, not_found, owns
from services.standins.network.resource import Resource, StandardBody
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, Route, complete, parse_inner

OWNER_SUBPORT = "trunk:subport"


class SubPort(Body):
    port_id: str
    segmentation_type: str = "vlan"
    segmentation_id: int = Field(default=0, ge=0, le=4094)


class TrunkBody(StandardBody):
    port_id: str
    admin_state_up: bool = True
    sub_ports: list[SubPort] = Field(default_factory=list)


class SubPorts(Body):
    sub_ports: list[SubPort]


class Gone(Body):
    port_id: str


class GoneSubPorts(Body):
    sub_ports: list[Gone]


class Trunks(Resource):
    name, plural, kind, body = "trunk", "trunks", "Trunk", TrunkBody
    fixed = frozenset({"port_id", "sub_ports"})

    def __init__(self, model: Model) -> None:
        super().__init__(model, model.trunks)

    def routes(self) -> Iterable[Route]:
        yield from super().routes()
        yield Route("GET", "/v2.0/trunks/{id}/get_subports", self.sub_ports)
        yield Route("PUT", "/v2.0/trunks/{id}/add_subports", self.add)
        yield Route("PUT", "/v2.0/trunks/{id}/remove_subports", self.remove_some)

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        self._free_port(call, sent.port_id)
        for sub_port in sent.sub_ports:
            self._free_port(call, sub_port.port_id)
        doc = {**complete(sent), "status": "ACTIVE"}
        return self.docs.put(self.model.new(doc, project_id))

    def remove(self, call: Call, doc: Doc) -> None:
        parent = self.model.ports.get(doc["port_id"])
        if parent is not None and parent["binding:host_id"]:
            raise Fault(409, f"Trunk {doc['id']} is currently in use.", "TrunkInUse")
        super().remove(call, doc)

    def _free_port(self, call: Call, port_id: str) -> None:
        port = self.model.ports.get(port_id)
        if port is None or not owns(call.caller, port):
            raise not_found("Port", port_id)
        if self.model.trunks.count("port", port_id) or self.model.trunks.count("subport", port_id):
            raise Fault(409, f"Port {port_id} is in use by another trunk.", "TrunkPortInUse")

    def sub_ports(self, call: Call) -> Reply:
        return Reply(body={"sub_ports": self.need(call)["sub_ports"]})

    def add(self, call: Call) -> Reply:
        trunk = self.need(call, to_change=True)
        added = [s.model_dump() for s in parse_inner(SubPorts, call.body).sub_ports]
        for sub_port in added:
            self._free_port(call, sub_port["port_id"])
        new = self.model.changed({**trunk, "sub_ports": [*trunk["sub_ports"], *added]})
        return Reply(body=self.view(call, self.docs.put(new)))

    def remove_some(self, call: Call) -> Reply:
        trunk = self.need(call, to_change=True)
        gone = {s.port_id for s in parse_inner(GoneSubPorts, call.body).sub_ports}
        for port_id in sorted(gone - {s["port_id"] for s in trunk["sub_ports"]}):
            raise Fault(404, f"SubPort {port_id} not found on trunk.", "SubPortNotFound")
        left = [s for s in trunk["sub_ports"] if s["port_id"] not in gone]
        new = self.model.changed({**trunk, "sub_ports": left})
        return Reply(body=self.view(call, self.docs.put(new)))

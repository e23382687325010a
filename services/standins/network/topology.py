"""A ready-made network for a project that has none.

Owns: `/v2.0/auto-allocated-topology`. May not: know servers. Crash story: see store.py; network,
subnet and router appear in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.standins.network.addresses import Addresses
from services.standins.network.model import Model
from services.standins.network.networks import NetworkBody, make_network
from services.standins.network.routers import add_interface, interfaces, make_router, set_gateway
from services.standins.network.security_groups import ensure_default_group
from services.standins.network.subnets import SubnetBody, make_subnet
from services.standins.store import Doc
from services.standins.web import Call, Fault, Reply, Route, complete

NETWORK, SUBNET, ROUTER = (
    "auto_allocated_network",
    "auto_allocated_subnet_v4",
    "auto_allocated_router",
)
CIDR = "10.1.0.0/20"
"""The same for each project: every one has its own router, nothing meets."""


class Topologies:
    def __init__(self, model: Model, addresses: Addresses) -> None:
        self._model = model
        self._addresses = addresses

    def routes(self) -> Iterable[Route]:
        one = "/v2.0/auto-allocated-topology/{project}"
        yield Route("GET", one, self.show)
        yield Route("DELETE", one, self.delete)

    def _project(self, call: Call) -> str:
        project_id = call.param("project")
        if project_id in {"null", "None"}:
            return call.caller.project_id
        if project_id != call.caller.project_id:
            call.require_admin("get_auto_allocated_topology")
        return project_id

    def show(self, call: Call) -> Reply:
        project_id = self._project(call)
        external = self._external()
        if "dry-run" in call.query.getall("fields", []):
            return _reply("dry-run=pass", project_id)
        known = self._model.topologies.get(project_id)
        if known is None or known["network_id"] not in self._model.networks:
            known = self._make(project_id, external)
        return _reply(known["network_id"], project_id)

    def _external(self) -> Doc:
        for network in self._model.networks:
            if network["router:external"] and network["is_default"]:
                return network
        raise Fault(
            409,
            "Unable to auto allocate topology: no external network is marked as default.",
            "AutoAllocationFailure",
        )

    def _make(self, project_id: str, external: Doc) -> Doc:
        model = self._model
        ensure_default_group(model, project_id)
        network = make_network(model, complete(NetworkBody(name=NETWORK)), project_id)
        body = SubnetBody(network_id=network["id"], name=SUBNET, cidr=CIDR)
        subnet = make_subnet(model, {**complete(body), "gateway_ip": "auto"}, project_id)
        router = make_router(model, {"name": ROUTER}, project_id)
        gateway = {"network_id": external["id"]}
        router = model.routers.put(set_gateway(model, self._addresses, router, gateway))
        add_interface(model, self._addresses, router, subnet)
        doc = {"id": project_id, "network_id": network["id"], "router_id": router["id"]}
        return model.topologies.put(doc)

    def delete(self, call: Call) -> Reply:
        project_id = self._project(call)
        model = self._model
        known = model.topologies.get(project_id)
        if known is None:
            raise Fault(404, f"No topology of {project_id} was found.", "AutoAllocationFailure")
        router = model.routers.get(known["router_id"])
        own = interfaces(model, router) if router is not None else []
        in_use = {p["id"] for p in model.ports.find("network", known["network_id"])}
        if in_use - {p["id"] for p in own}:
            raise Fault(
                409, f"Network {known['network_id']} has ports in use.", "AutoAllocationFailure"
            )
        for port in model.ports.find("device", known["router_id"]):
            model.ports.delete(port["id"])
        model.routers.delete(known["router_id"])
        for subnet in model.subnets.find("network", known["network_id"]):
            model.subnets.delete(subnet["id"])
        model.networks.delete(known["network_id"])
        model.topologies.delete(project_id)
        return Reply(204)


def _reply(network_id: str, project_id: str) -> Reply:
    body = {"id": network_id, "tenant_id": project_id, "project_id": project_id}
    return Reply(body={"auto_allocated_topology": body})

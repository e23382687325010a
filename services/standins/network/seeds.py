"""What a fresh cloud's network holds.

Owns: the networks `private` (shared) and `public` (external) and the router between them.
May not: touch anything else. What an operator changed stays; what was deleted comes back.
Crash story: one transaction at start.
"""

from __future__ import annotations

from services.standins.network.addresses import Addresses
from services.standins.network.model import Model
from services.standins.network.networks import NetworkBody, make_network
from services.standins.network.routers import add_interface, make_router, set_gateway
from services.standins.network.subnets import SubnetBody, make_subnet
from services.standins.seeding import seed_hex, seed_uuid
from services.standins.store import Doc
from services.standins.web import complete

PRIVATE, PUBLIC, ROUTER = "private", "public", "router1"
CIDRS = {PRIVATE: "10.0.0.0/16", PUBLIC: "172.24.4.0/24"}
"""The private one holds 65,533 servers."""


def seed(model: Model, addresses: Addresses) -> None:
    """Create what is missing; in a transaction."""
    owner = seed_hex("project", "admin")
    private = _network(model, owner, PRIVATE, shared=True)
    public = _network(model, owner, PUBLIC, external=True)
    router_id = seed_uuid("router", ROUTER)
    if router_id not in model.routers:
        router = make_router(model, {"name": ROUTER}, owner, router_id)
        router = set_gateway(model, addresses, router, {"network_id": public["id"]})
        model.routers.put(router)
        subnet = model.subnets.get(seed_uuid("subnet", PRIVATE))
        gateway_port = model.ports.first("ip", "10.0.0.1")
        if subnet is not None and subnet["network_id"] == private["id"] and gateway_port is None:
            add_interface(model, addresses, router, subnet)


def _network(
    model: Model, owner: str, name: str, *, shared: bool = False, external: bool = False
) -> Doc:
    network_id = seed_uuid("network", name)
    found = model.networks.get(network_id)
    if found is not None:
        return found
    body = NetworkBody.model_validate({"name": name, "shared": shared, "router:external": external})
    fields = {**complete(body), "is_default": external}
    network = make_network(model, fields, owner, network_id)
    # Nobody asks a DHCP server on the outside.
    subnet = SubnetBody(
        network_id=network_id, name=f"{name}-subnet", cidr=CIDRS[name], enable_dhcp=not external
    )
    fields = {**complete(subnet), "gateway_ip": "auto"}
    make_subnet(model, fields, owner, seed_uuid("subnet", name))
    return network

"""What the network service says about itself.

Owns: versions, extensions, availability zones, agents, IP availability, empty subnet pools.
May not: change anything. Crash story: nothing is kept.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from services.standins.network.model import ZONE, Model, owns
from services.standins.store import Doc
from services.standins.web import Call, Fault, Reply, Route

EXTENSIONS = {
    "agent": "agent",
    "allowed-address-pairs": "Allowed Address Pairs",
    "auto-allocated-topology": "Auto Allocated Topology Services",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "binding-extended": "Port Bindings Extended",
    "external-net": "Neutron external network",
    "extra_dhcp_opt": "Neutron Extra DHCP options",
    "fip-port-details": "Floating IP Port Details Extension",
    "ip-substring-filtering": "IP address substring filtering",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "network-ip-availability": "Network IP Availability",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quota_details": "Quota details management support",
    "quotas": "Quota management support",
    "router": "Neutron L3 Router",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
    "trunk": "Trunk Extension",
    "trunk-details": "Trunk port details",
}
"""Alias and name. A listed extension changes what callers do; each one here is really there, and
none is here that would make them ask for more (qos, segment, dns-integration ...)."""


class Misc:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        for path in ("", "/"):
            yield Route("GET", path, self.versions, public=True)
        for path in ("/v2.0", "/v2.0/"):
            yield Route("GET", path, self.resources, public=True)
        yield Route("GET", "/v2.0/extensions", self.extensions)
        yield Route("GET", "/v2.0/extensions/{alias}", self.extension)
        yield Route("GET", "/v2.0/availability_zones", self.zones)
        yield Route("GET", "/v2.0/agents", self.agents)
        yield Route("GET", "/v2.0/network-ip-availabilities", self.availabilities)
        yield Route("GET", "/v2.0/network-ip-availabilities/{id}", self.availability)
        yield Route("GET", "/v2.0/subnetpools", self.subnet_pools)

    def versions(self, call: Call) -> Reply:
        links = [{"rel": "self", "href": f"{call.base_url}/network/v2.0/"}]
        return Reply(body={"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def resources(self, call: Call) -> Reply:
        names = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups")
        shown = [
            {
                "name": name.rstrip("s"),
                "collection": name,
                "links": [{"rel": "self", "href": f"{call.base_url}/network/v2.0/{name}"}],
            }
            for name in names
        ]
        return Reply(body={"resources": shown})

    def extensions(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(body={"extensions": [_extension(alias) for alias in EXTENSIONS]})

    def extension(self, call: Call) -> Reply:
        alias = call.param("alias")
        if alias not in EXTENSIONS:
            message = f"Extension with alias {alias} does not exist"
            raise Fault(404, message, "HTTPNotFound")
        return Reply(body={"extension": _extension(alias)})

    def zones(self, call: Call) -> Reply:  # noqa: ARG002
        kinds = ("network", "router")
        shown = [{"name": ZONE, "resource": kind, "state": "available"} for kind in kinds]
        return Reply(body={"availability_zones": shown})

    def agents(self, call: Call) -> Reply:
        call.require_admin("get_agent")
        return Reply(body={"agents": []})

    def subnet_pools(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(body={"subnetpools": []})

    def availabilities(self, call: Call) -> Reply:
        call.require_admin("get_network_ip_availability")
        shown = [self._availability(n) for n in self._model.networks if owns(call.caller, n)]
        for name in ("network_id", "network_name"):
            if name in call.query:
                shown = [a for a in shown if a[name] in call.query.getall(name)]
        return Reply(body={"network_ip_availabilities": shown})

    def availability(self, call: Call) -> Reply:
        call.require_admin("get_network_ip_availability")
        network = self._model.need(self._model.networks, call.param("id"), "Network")
        return Reply(body={"network_ip_availability": self._availability(network)})

    def _availability(self, network: Doc) -> Doc:
        subnets = []
        for subnet in self._model.subnets.find("network", network["id"]):
            total = sum(
                int(ipaddress.ip_address(p["end"])) - int(ipaddress.ip_address(p["start"])) + 1
                for p in subnet["allocation_pools"]
            )
            subnets.append(
                {
                    "subnet_id": subnet["id"],
                    "subnet_name": subnet["name"],
                    "cidr": subnet["cidr"],
                    "ip_version": subnet["ip_version"],
                    "total_ips": min(total, 1 << 62),
                    "used_ips": self._model.ports.count("subnet", subnet["id"]),
                }
            )
        return {
            "network_id": network["id"],
            "network_name": network["name"],
            "project_id": network["project_id"],
            "tenant_id": network["tenant_id"],
            "total_ips": min(sum(s["total_ips"] for s in subnets), 1 << 62),
            "used_ips": sum(s["used_ips"] for s in subnets),
            "subnet_ip_availability": subnets,
        }


def _extension(alias: str) -> Doc:
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": EXTENSIONS[alias],
        "updated": "2017-01-01T00:00:00-00:00",
        "links": [],
    }

"""The network service in the caller's own name: for what is merely passed on.

Owns: the calls that the oldest versions of the Compute API pass on: floating IPs, security groups
and their rules. May not: use the service user's token; what the caller may see and do is decided
there. Crash story: each is one call.
"""

from __future__ import annotations

from typing import Any

from common.auth.session import ServiceSession
from common.neighbours.network import (
    FloatingIp,
    Network,
    SecurityGroup,
    SecurityGroupRule,
)
from common.neighbours.network_records import (
    read_floating_ip,
    read_network,
    read_security_group,
    read_security_group_rule,
)
from common.neighbours.paths import part
from common.neighbours.responses import accepted

_SERVICE = "network"
Params = dict[str, str | list[str]]


class NetworkProxy:
    """One caller's view; raises the kinds of common/errors as `NetworkClient` does."""

    def __init__(self, session: ServiceSession, token: str) -> None:
        self._session = session
        self._token = token

    async def _call(
        self,
        method: str,
        path: str,
        *good: int,
        body: dict[str, Any] | None = None,
        params: Params | None = None,
    ) -> Any:
        status, answer = await self._session.request(
            _SERVICE, method, f"/v2.0/{path}", json=body, params=params, token=self._token
        )
        return accepted(_SERVICE, status, answer, *good)

    async def networks(self, **filters: str) -> list[Network]:
        found = await self._call("GET", "networks", 200, params={**filters})
        return [read_network(each) for each in found["networks"]]

    async def external_networks(self) -> list[Network]:
        """Where floating IPs come from."""
        return await self.networks(**{"router:external": "True"})

    async def network(self, network_id: str) -> Network:
        found = await self._call("GET", f"networks/{part(network_id)}", 200)
        return read_network(found["network"])

    async def floating_ips(self, **filters: str) -> list[FloatingIp]:
        found = await self._call("GET", "floatingips", 200, params={**filters})
        return [read_floating_ip(each) for each in found["floatingips"]]

    async def floating_ip(self, floating_ip_id: str) -> FloatingIp:
        found = await self._call("GET", f"floatingips/{part(floating_ip_id)}", 200)
        return read_floating_ip(found["floatingip"])

    async def create_floating_ip(self, network_id: str) -> FloatingIp:
        body = {"floatingip": {"floating_network_id": network_id}}
        made = await self._call("POST", "floatingips", 201, body=body)
        return read_floating_ip(made["floatingip"])

    async def point_floating_ip(
        self, floating_ip_id: str, port_id: str | None, fixed_ip: str | None
    ) -> None:
        """At an address of a port, or at nothing."""
        to: dict[str, Any] = {"port_id": port_id}
        if port_id is not None:
            to["fixed_ip_address"] = fixed_ip
        await self._call("PUT", f"floatingips/{part(floating_ip_id)}", 200, body={"floatingip": to})

    async def delete_floating_ip(self, floating_ip_id: str) -> None:
        await self._call("DELETE", f"floatingips/{part(floating_ip_id)}", 204)

    async def security_groups(self, **filters: str | list[str]) -> list[SecurityGroup]:
        found = await self._call("GET", "security-groups", 200, params={**filters})
        return [read_security_group(each) for each in found["security_groups"]]

    async def security_group(self, group_id: str) -> SecurityGroup:
        found = await self._call("GET", f"security-groups/{part(group_id)}", 200)
        return read_security_group(found["security_group"])

    async def create_security_group(self, name: str, description: str) -> SecurityGroup:
        body = {"security_group": {"name": name, "description": description}}
        made = await self._call("POST", "security-groups", 201, body=body)
        return read_security_group(made["security_group"])

    async def update_security_group(
        self, group_id: str, name: str, description: str
    ) -> SecurityGroup:
        body = {"security_group": {"name": name, "description": description}}
        found = await self._call("PUT", f"security-groups/{part(group_id)}", 200, body=body)
        return read_security_group(found["security_group"])

    async def delete_security_group(self, group_id: str) -> None:
        await self._call("DELETE", f"security-groups/{part(group_id)}", 204)

    async def create_rule(self, **rule: Any) -> SecurityGroupRule:
        body = {"security_group_rule": rule}
        made = await self._call("POST", "security-group-rules", 201, body=body)
        return read_security_group_rule(made["security_group_rule"])

    async def delete_rule(self, rule_id: str) -> None:
        await self._call("DELETE", f"security-group-rules/{part(rule_id)}", 204)

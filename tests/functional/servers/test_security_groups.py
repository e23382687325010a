"""addSecurityGroup, removeSecurityGroup and the list, with the real network stand-in."""

from __future__ import annotations

from typing import Any

from tests.functional.servers.conftest import Stack

DEFAULT, WEB = "default", "web"


async def group(stack: Stack, name: str) -> str:
    body = {"security_group": {"name": name, "project_id": stack.projects["demo"]}}
    made = await stack.neighbour("network", "/v2.0/security-groups", method="POST", body=body)
    return str(made["security_group"]["id"])


async def server_with_port(stack: Stack) -> tuple[str, str]:
    """Ids of a server and of its port, which has the project's default group."""
    server_id = await stack.server(security_groups=[DEFAULT])
    port = {
        "network_id": stack.private,
        "device_id": server_id,
        "project_id": stack.projects["demo"],
    }
    made = await stack.neighbour("network", "/v2.0/ports", method="POST", body={"port": port})
    return server_id, made["port"]["id"]


async def names(stack: Stack, server_id: str) -> list[str]:
    """As the list says, which the server must say too."""
    answer = await stack.call("GET", f"/servers/{server_id}/os-security-groups", user="demo")
    assert answer.status == 200, answer.body
    listed = [each["name"] for each in answer.body["security_groups"]]
    shown = (await stack.show(server_id)).get("security_groups", [])
    assert shown == [{"name": name} for name in listed]
    return listed


async def change(stack: Stack, server_id: str, verb: str, name: str, user: str = "demo") -> Any:
    answer = await stack.action(server_id, {f"{verb}SecurityGroup": {"name": name}}, user=user)
    return answer.status if answer.status < 300 else (answer.status, answer.fault())


async def test_life(stack: Stack) -> None:
    server_id, port_id = await server_with_port(stack)
    group_id = await group(stack, WEB)
    assert await names(stack, server_id) == [DEFAULT]
    for _ in range(2):  # again is no change
        assert await change(stack, server_id, "add", WEB) == 202
        assert await names(stack, server_id) == [DEFAULT, WEB]
    port = (await stack.neighbour("network", f"/v2.0/ports/{port_id}"))["port"]
    assert len(port["security_groups"]) == 2
    assert group_id in port["security_groups"]
    assert await change(stack, server_id, "remove", DEFAULT) == 202
    assert await names(stack, server_id) == [WEB]
    assert await change(stack, server_id, "remove", group_id) == 202
    assert await names(stack, server_id) == []
    status, words = await change(stack, server_id, "remove", WEB)
    assert (status, words.startswith(f"Security group {WEB} is not associated")) == (400, True)


async def test_rules_in_the_words_of_the_compute_api(stack: Stack) -> None:
    server_id, _ = await server_with_port(stack)
    group_id = await group(stack, "ruled")
    for rule in (
        {"protocol": "tcp", "port_range_min": 22, "port_range_max": 23},
        {"protocol": "icmp", "remote_ip_prefix": "10.0.0.0/8"},
        {"protocol": "udp", "remote_group_id": group_id},
    ):
        made = {"security_group_id": group_id, "direction": "ingress", **rule}
        body = {"security_group_rule": made}
        path = "/v2.0/security-group-rules"
        await stack.neighbour("network", path, method="POST", body=body)
    assert await change(stack, server_id, "add", "ruled") == 202
    answer = await stack.call("GET", f"/servers/{server_id}/os-security-groups", user="demo", v=1)
    (ruled,) = [each for each in answer.body["security_groups"] if each["id"] == group_id]
    assert (ruled["tenant_id"], ruled["description"]) == (stack.projects["demo"], "")
    seen = {rule.pop("ip_protocol"): rule for rule in ruled["rules"]}
    assert all(rule.pop("id") and rule.pop("parent_group_id") == group_id for rule in seen.values())
    peer = {"name": "ruled", "tenant_id": stack.projects["demo"]}
    assert seen == {
        "tcp": {"from_port": 22, "to_port": 23, "group": {}, "ip_range": {"cidr": "0.0.0.0/0"}},
        "icmp": {"from_port": -1, "to_port": -1, "group": {}, "ip_range": {"cidr": "10.0.0.0/8"}},
        "udp": {"from_port": 1, "to_port": 65535, "group": peer, "ip_range": {}},
    }


async def test_refusals(stack: Stack) -> None:
    server_id, _ = await server_with_port(stack)
    for verb in ("add", "remove"):
        status, words = await change(stack, server_id, verb, "unheard-of")
        assert (status, words.startswith("Security group unheard-of not found")) == (404, True)
        assert (await change(stack, server_id, verb, ""))[0] == 400
        assert (await change(stack, server_id, verb, DEFAULT, user="other"))[0] == 404
        assert (await change(stack, server_id, verb, DEFAULT, user="reader"))[0] == 403
        for _ in range(2):
            await group(stack, f"twice-{verb}")
        assert (await change(stack, server_id, verb, f"twice-{verb}"))[0] == 409
    portless = await stack.server()
    assert (await change(stack, portless, "add", DEFAULT))[0] == 404

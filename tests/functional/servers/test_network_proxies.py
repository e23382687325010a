"""Networks, floating IPs and security groups as the versions to 2.35 have them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

UNKNOWN = "11111111-2222-3333-4444-555555555555"
PROXIES = (
    "/os-networks",
    "/os-tenant-networks",
    "/os-floating-ips",
    "/os-floating-ip-pools",
    "/os-security-groups",
)


async def get(stack: Stack, path: str, *, user: str = "demo", v: int = 35) -> Any:
    answer = await stack.call("GET", path, user=user, v=v)
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.parametrize("path", PROXIES)
async def test_gone_from_2_36_on(stack: Stack, path: str) -> None:
    assert (await stack.call("GET", path, user="demo", v=35)).status == 200
    assert (await stack.call("GET", f"{path}?anything=goes", user="demo", v=1)).status == 200
    assert (await stack.call("GET", path, user="demo", v=36)).status == 404


async def test_networks(stack: Stack) -> None:
    listed = {n["label"]: n for n in (await get(stack, "/os-networks"))["networks"]}
    assert listed["private"]["id"] == stack.private
    assert listed["private"]["cidr"] is None
    assert (await get(stack, f"/os-networks/{stack.private}"))["network"] == listed["private"]
    tenant = {"id": stack.private, "cidr": "None", "label": "private"}
    assert tenant in (await get(stack, "/os-tenant-networks"))["networks"]
    assert (await get(stack, f"/os-tenant-networks/{stack.private}"))["network"] == tenant
    for path in ("/os-networks", "/os-tenant-networks"):
        answer = await stack.call("GET", f"{path}/{UNKNOWN}", user="demo", v=1)
        assert (answer.status, answer.fault()) == (404, "Network not found")


async def test_floating_ips(stack: Stack) -> None:
    pools = (await get(stack, "/os-floating-ip-pools"))["floating_ip_pools"]
    assert pools == [{"name": "public"}]
    assert (await get(stack, "/os-floating-ips", user="other")) == {"floating_ips": []}
    made = []
    for body in (None, {}, {"pool": "public"}, {"pool": stack.public, "more": 1}):
        answer = await stack.call("POST", "/os-floating-ips", body, user="demo", v=1)
        assert answer.status == 200, answer.body
        made.append(answer.body["floating_ip"])
    floating = made[0]
    assert (floating["pool"], floating["fixed_ip"], floating["instance_id"]) == (
        "public",
        None,
        None,
    )
    listed = (await get(stack, "/os-floating-ips"))["floating_ips"]
    assert sorted(each["id"] for each in listed) == sorted(each["id"] for each in made)
    one = f"/os-floating-ips/{floating['id']}"
    assert (await get(stack, one))["floating_ip"] == floating
    assert (await stack.call("GET", one, user="other", v=1)).status == 404
    assert (await stack.call("DELETE", one, user="other", v=1)).status == 404
    assert (await stack.call("DELETE", one, user="reader", v=1)).status == 403
    for each in made:
        answer = await stack.call("DELETE", f"/os-floating-ips/{each['id']}", user="demo", v=1)
        assert answer.status == 202
    assert (await stack.call("GET", one, user="demo", v=1)).status == 404
    answer = await stack.call("POST", "/os-floating-ips", {"pool": "none"}, user="demo", v=1)
    assert (answer.status, answer.fault()) == (404, "Floating IP pool not found.")


async def test_a_floating_ip_says_whose_it_is(stack: Stack) -> None:
    server_id = await stack.server()
    port = {
        "network_id": stack.private,
        "device_id": server_id,
        "device_owner": "compute:nova",
        "project_id": stack.projects["demo"],
    }
    made = await stack.neighbour("network", "/v2.0/ports", method="POST", body={"port": port})
    body = {
        "floating_network_id": stack.public,
        "port_id": made["port"]["id"],
        "project_id": stack.projects["demo"],
    }
    pointed = await stack.neighbour(
        "network", "/v2.0/floatingips", method="POST", body={"floatingip": body}
    )
    shown = (await get(stack, f"/os-floating-ips/{pointed['floatingip']['id']}"))["floating_ip"]
    (fixed,) = made["port"]["fixed_ips"]
    assert (shown["instance_id"], shown["fixed_ip"]) == (server_id, fixed["ip_address"])


async def change(
    stack: Stack, method: str, path: str, body: Any = None, *, user: str = "demo"
) -> tuple[int, Any]:
    answer = await stack.call(method, path, body, user=user, v=35)
    return answer.status, answer.body


async def test_security_groups(stack: Stack) -> None:
    text = {"name": "web", "description": "d"}
    path = "/os-security-groups"
    status, body = await change(stack, "POST", path, {"security_group": {**text, "x": 1}})
    assert status == 200, body
    group = body["security_group"]
    assert (group["name"], group["tenant_id"]) == ("web", stack.projects["demo"])
    one = f"{path}/{group['id']}"
    assert (await get(stack, one))["security_group"]["id"] == group["id"]
    listed = [g["name"] for g in (await get(stack, path))["security_groups"]]
    assert listed == sorted(listed)
    assert {"default", "web"} <= set(listed)
    assert len((await get(stack, f"{path}?limit=1&offset=1"))["security_groups"]) == 1
    everywhere = (await get(stack, f"{path}?all_tenants=1", user="admin"))["security_groups"]
    assert len({g["tenant_id"] for g in everywhere}) > 1
    own = (await get(stack, f"{path}?all_tenants=1", user="other"))["security_groups"]
    assert {g["tenant_id"] for g in own} <= {stack.projects["other"]}
    renamed = {"security_group": {"name": "www", "description": ""}}
    status, body = await change(stack, "PUT", one, renamed)
    assert (status, body["security_group"]["name"]) == (200, "www")
    default = next(g for g in (await get(stack, path))["security_groups"] if g["name"] == "default")
    for method, where, sent, code in (
        ("POST", path, {"security_group": {"name": "x"}}, 400),
        ("GET", f"{path}/{UNKNOWN}", None, 404),
        ("GET", f"{path}/no-uuid", None, 400),
        ("PUT", f"{path}/{default['id']}", renamed, 400),
        ("DELETE", f"{path}/{UNKNOWN}", None, 404),
        ("DELETE", one, None, 202),
        ("DELETE", one, None, 404),
    ):
        assert (await change(stack, method, where, sent))[0] == code, (method, where)
    assert (await change(stack, "POST", path, renamed, user="reader"))[0] == 403


async def test_rules(stack: Stack) -> None:
    body = {"security_group": {"name": "ruled-by-proxy", "description": "d"}}
    _, made = await change(stack, "POST", "/os-security-groups", body)
    group_id = made["security_group"]["id"]

    async def add(**rule: Any) -> tuple[int, Any]:
        asked = {"security_group_rule": {"parent_group_id": group_id, **rule}}
        return await change(stack, "POST", "/os-security-group-rules", asked)

    tcp: dict[str, Any] = {"ip_protocol": "tcp", "from_port": 22, "to_port": "23"}
    status, answer = await add(**tcp, cidr="10.0.0.7/24")
    assert status == 200, answer
    rule = answer["security_group_rule"]
    expected = {
        "id": rule["id"],
        "parent_group_id": group_id,
        "ip_protocol": "tcp",
        "from_port": 22,
        "to_port": 23,
        "group": {},
        "ip_range": {"cidr": "10.0.0.7/24"},  # as it was written
    }
    assert rule == expected
    shown = (await get(stack, f"/os-security-groups/{group_id}"))["security_group"]
    assert shown["rules"] == [expected]
    for fine in (
        {"ip_protocol": "icmp", "from_port": -1, "to_port": -1},
        {**tcp, "group_id": group_id},
        {"group_id": group_id},
        {"ip_protocol": "UDP", "from_port": 1, "to_port": 65535, "cidr": "2001:db8::/64"},
    ):
        status, answer = await add(**fine)
        assert status == 200, (fine, answer)
    assert answer["security_group_rule"]["ip_range"] == {"cidr": "2001:db8::/64"}
    for wrong, code in (
        ({**tcp, "cidr": "10.0.0.7/24"}, 400),  # there already
        ({}, 400),
        ({**tcp, "ip_protocol": "carrier-pigeon"}, 400),
        ({**tcp, "from_port": 80}, 400),
        ({**tcp, "to_port": 70000}, 400),
        ({**tcp, "from_port": "x"}, 400),
        ({**tcp, "cidr": "10.0.0.0/99"}, 400),
        ({**tcp, "parent_group_id": UNKNOWN}, 404),
        ({**tcp, "parent_group_id": "no-uuid"}, 400),
        ({**tcp, "group_id": UNKNOWN}, 404),
    ):
        assert (await add(**wrong))[0] == code, wrong
    body = {"security_group": {"name": "peer", "description": "d"}}
    _, made = await change(stack, "POST", "/os-security-groups", body)
    peer = made["security_group"]
    status, answer = await add(**tcp, group_id=peer["id"])
    assert status == 200, answer
    expected_peer = {"name": "peer", "tenant_id": stack.projects["demo"]}
    assert answer["security_group_rule"]["group"] == expected_peer
    await change(stack, "DELETE", f"/os-security-groups/{peer['id']}")
    shown = (await get(stack, f"/os-security-groups/{group_id}"))["security_group"]
    assert expected_peer not in [each["group"] for each in shown["rules"]]
    one = f"/os-security-group-rules/{rule['id']}"
    assert (await change(stack, "DELETE", one, user="reader"))[0] == 403
    assert (await change(stack, "DELETE", one))[0] == 202
    assert (await change(stack, "DELETE", one))[0] == 404
    assert (await change(stack, "DELETE", "/os-security-group-rules/x"))[0] == 400

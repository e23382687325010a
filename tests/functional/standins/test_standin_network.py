"""Networks, ports and what belongs to them; as the unmodified clients and compute do it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.standins.conftest import Answer, Cloud

V2 = "/network/v2.0"


async def make(cloud: Cloud, kind: str, *, user: str = "admin", **fields: Any) -> dict[str, Any]:
    plural = {"security_group": "security-groups", "security_group_rule": "security-group-rules"}
    path = f"{V2}/{plural.get(kind, kind + 's')}"
    made: dict[str, Any] = (await cloud.call("POST", path, {kind: fields}, user=user)).want(201)[
        kind
    ]
    return made


async def listed(cloud: Cloud, path: str, *, user: str = "admin") -> list[dict[str, Any]]:
    body = (await cloud.call("GET", f"{V2}/{path}", user=user)).want(200)
    return list(body[path.partition("?")[0].replace("-", "_")])


async def seeded(cloud: Cloud, name: str) -> dict[str, Any]:
    (network,) = await listed(cloud, f"networks?name={name}")
    return network


def fault(answer: Answer, status: int) -> str:
    """Type of a Neutron error of the given status."""
    error = answer.want(status)["NeutronError"]
    assert error["message"]
    return str(error["type"])


async def test_seeded_networks_are_joined_by_a_router(cloud: Cloud) -> None:
    await cloud.login("demo")
    private, public = await seeded(cloud, "private"), await seeded(cloud, "public")
    assert (private["shared"], private["router:external"]) == (True, False)
    assert (public["shared"], public["router:external"]) == (False, True)
    (subnet,) = await listed(cloud, f"subnets?network_id={private['id']}")
    assert (subnet["cidr"], subnet["gateway_ip"]) == ("10.0.0.0/16", "10.0.0.1")
    seen = {n["name"] for n in await listed(cloud, "networks", user="demo")}
    assert seen == {"private", "public"}
    port = await make(cloud, "port", user="demo", network_id=private["id"])
    floating = await make(
        cloud, "floatingip", user="demo", floating_network_id=public["id"], port_id=port["id"]
    )
    assert floating["status"] == "ACTIVE"
    assert floating["floating_ip_address"].startswith("172.24.4.")
    assert floating["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert floating["port_details"]["network_id"] == private["id"]


async def test_a_port_gets_address_mac_and_default_group_and_gives_them_back(cloud: Cloud) -> None:
    network = await make(cloud, "network", name="n")
    fields = {"network_id": network["id"], "cidr": "10.9.9.7/28", "ip_version": 4}
    subnet = await make(cloud, "subnet", **fields)
    assert (subnet["cidr"], subnet["gateway_ip"]) == ("10.9.9.0/28", "10.9.9.1")
    assert subnet["allocation_pools"] == [{"start": "10.9.9.2", "end": "10.9.9.14"}]
    ports = [await make(cloud, "port", network_id=network["id"]) for _ in range(13)]
    addresses = {p["fixed_ips"][0]["ip_address"] for p in ports}
    assert addresses == {f"10.9.9.{n}" for n in range(2, 15)}
    assert len({p["mac_address"] for p in ports}) == 13
    groups = {g["id"]: g["name"] for g in await listed(cloud, "security-groups")}
    assert [groups[g] for g in ports[0]["security_groups"]] == ["default"]
    body = {"port": {"network_id": network["id"]}}
    refused = await cloud.call("POST", f"{V2}/ports", body)
    assert fault(refused, 409) == "IpAddressGenerationFailure"
    (await cloud.call("DELETE", f"{V2}/ports/{ports[4]['id']}")).want(204)
    again = await make(cloud, "port", network_id=network["id"])
    assert again["fixed_ips"] == ports[4]["fixed_ips"]
    answer = await cloud.call("DELETE", f"{V2}/ports/{ports[4]['id']}")
    assert fault(answer, 404) == "PortNotFound"


async def test_addresses_and_macs_of_choice(cloud: Cloud) -> None:
    network = await make(cloud, "network")
    subnet = await make(
        cloud, "subnet", network_id=network["id"], cidr="10.8.0.0/24", ip_version=4, gateway_ip=None
    )
    chosen = [{"subnet_id": subnet["id"], "ip_address": "10.8.0.77"}]
    port = await make(
        cloud,
        "port",
        network_id=network["id"],
        fixed_ips=chosen,
        mac_address="FA:16:3E:00:00:01",
    )
    assert (port["fixed_ips"], port["mac_address"]) == (chosen, "fa:16:3e:00:00:01")

    async def refused(**fields: Any) -> Answer:
        body = {"port": {"network_id": network["id"], **fields}}
        return await cloud.call("POST", f"{V2}/ports", body)

    assert fault(await refused(fixed_ips=[{"ip_address": "10.8.0.77"}]), 409) == "IpAddressInUse"
    assert (
        fault(await refused(fixed_ips=[{"ip_address": "11.0.0.1"}]), 400) == "InvalidIpForNetwork"
    )
    assert fault(await refused(mac_address=port["mac_address"]), 409) == "MacAddressInUse"
    for wrong in ({"fixed_ips": [{"ip_address": "x"}]}, {"fixed_ips": [{"subnet_id": "x"}]}):
        fault(await refused(**wrong), 400)
    none = await make(cloud, "port", network_id=network["id"], fixed_ips=[])
    assert none["fixed_ips"] == []
    two = [{"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}]
    moved = await cloud.call("PUT", f"{V2}/ports/{none['id']}", {"port": {"fixed_ips": two}})
    assert len({f["ip_address"] for f in moved.want(200)["port"]["fixed_ips"]}) == 2
    kept = {"port": {"fixed_ips": chosen}}
    same = (await cloud.call("PUT", f"{V2}/ports/{port['id']}", kept)).want(200)["port"]
    assert same["fixed_ips"] == chosen


async def test_ipv6_addresses_follow_the_mac_where_the_subnet_says_so(cloud: Cloud) -> None:
    network = await make(cloud, "network")
    base = {"network_id": network["id"], "ip_version": 6}
    await make(
        cloud,
        "subnet",
        **base,
        cidr="2001:db8::/64",
        ipv6_address_mode="slaac",
        ipv6_ra_mode="slaac",
    )
    await make(cloud, "subnet", network_id=network["id"], ip_version=4, cidr="10.7.0.0/24")
    port = await make(cloud, "port", network_id=network["id"], mac_address="fa:16:3e:01:02:03")
    addresses = {f["ip_address"] for f in port["fixed_ips"]}
    assert addresses == {"2001:db8::f816:3eff:fe01:203", "10.7.0.2"}


async def test_subnets_that_overlap_are_refused_in_the_words_clients_wait_for(cloud: Cloud) -> None:
    network = await make(cloud, "network")
    await make(cloud, "subnet", network_id=network["id"], cidr="10.100.0.0/28", ip_version=4)
    body = {"subnet": {"network_id": network["id"], "cidr": "10.100.0.0/24", "ip_version": 4}}
    answer = await cloud.call("POST", f"{V2}/subnets", body)
    assert fault(answer, 400) == "InvalidInput"
    assert "overlaps with another subnet" in answer.body["NeutronError"]["message"]
    for fields in (
        {"cidr": "nonsense"},
        {"cidr": "10.0.0.0/24", "ip_version": 6},
        {"cidr": "10.50.0.0/24", "gateway_ip": "192.168.0.1"},
        {"cidr": "10.51.0.0/24", "allocation_pools": [{"start": "10.52.0.1", "end": "10.52.0.2"}]},
        {},
    ):
        body = {"subnet": {"network_id": network["id"], "ip_version": 4, **fields}}
        fault(await cloud.call("POST", f"{V2}/subnets", body), 400)


async def test_binding_a_port_makes_it_active_and_unbinding_undoes_it(cloud: Cloud) -> None:
    network = await seeded(cloud, "private")
    port = await make(
        cloud, "port", network_id=network["id"], device_id="s", device_owner="compute:z"
    )
    assert (port["binding:vif_type"], port["status"]) == ("unbound", "DOWN")
    path = f"{V2}/ports/{port['id']}"
    bound = (await cloud.call("PUT", path, {"port": {"binding:host_id": "h1"}})).want(200)["port"]
    assert (bound["binding:vif_type"], bound["status"]) == ("ovs", "ACTIVE")
    assert bound["revision_number"] == port["revision_number"] + 1
    free = {"device_id": "", "device_owner": "", "binding:host_id": "", "binding:profile": None}
    unbound = (await cloud.call("PUT", path, {"port": free})).want(200)["port"]
    assert (unbound["binding:vif_type"], unbound["status"]) == ("unbound", "DOWN")
    assert unbound["mac_address"] == port["mac_address"]
    failing = {"port": {"binding:host_id": "binding-failed"}}
    failed = (await cloud.call("PUT", path, failing)).want(200)["port"]
    assert (failed["binding:vif_type"], failed["status"]) == ("binding_failed", "DOWN")


async def test_a_second_binding_takes_over_at_activation(cloud: Cloud) -> None:
    network = await seeded(cloud, "private")
    fields = {"network_id": network["id"], "binding:host_id": "h1", "device_owner": "compute:z"}
    port = await make(cloud, "port", **fields)
    path = f"{V2}/ports/{port['id']}/bindings"

    async def state() -> dict[str, str]:
        bindings = (await cloud.call("GET", path)).want(200)["bindings"]
        return {b["host"]: b["status"] for b in bindings}

    assert await state() == {"h1": "ACTIVE"}
    made = (await cloud.call("POST", path, {"binding": {"host": "h2"}})).want(201)["binding"]
    assert (made["status"], made["vif_type"]) == ("INACTIVE", "ovs")
    again = await cloud.call("POST", path, {"binding": {"host": "h2"}})
    assert fault(again, 409) == "PortBindingAlreadyExists"
    (await cloud.call("PUT", f"{path}/h2/activate")).want(200)
    assert await state() == {"h2": "ACTIVE", "h1": "INACTIVE"}
    shown = (await cloud.call("GET", f"{V2}/ports/{port['id']}")).want(200)["port"]
    assert shown["binding:host_id"] == "h2"
    assert "_bindings" not in shown
    second = await cloud.call("PUT", f"{path}/h2/activate")
    assert fault(second, 409) == "PortBindingAlreadyActive"
    (await cloud.call("DELETE", f"{path}/h1")).want(204)
    gone = await cloud.call("GET", f"{path}/h1")
    assert fault(gone, 404) == "PortBindingNotFound"
    assert await state() == {"h2": "ACTIVE"}


async def test_port_filters(cloud: Cloud) -> None:
    network = await seeded(cloud, "private")
    body = {
        "ports": [
            {"network_id": network["id"], "device_id": f"s{n}", "binding:host_id": f"h{n % 2}"}
            for n in range(4)
        ]
    }
    ports = (await cloud.call("POST", f"{V2}/ports", body)).want(201)["ports"]
    address = ports[1]["fixed_ips"][0]

    async def devices(query: str) -> list[str]:
        return [p["device_id"] for p in await listed(cloud, f"ports?{query}")]

    assert await devices("device_id=s1&device_id=s3") == ["s1", "s3"]
    assert await devices("binding:host_id=h0") == ["s0", "s2"]
    assert await devices(f"fixed_ips=ip_address%3D{address['ip_address']}") == ["s1"]
    assert await devices("fixed_ips=ip_address_substr=10.0.0.&device_id=s2") == ["s2"]
    assert await devices(f"fixed_ips=subnet_id%3D{address['subnet_id']}&device_id=s0") == ["s0"]
    assert await devices(f"mac_address={ports[2]['mac_address']}") == ["s2"]
    assert await devices(f"id={ports[3]['id']}&id={ports[0]['id']}&id=x") == ["s3", "s0"]
    assert await devices("device_id=s1&status=DOWN&admin_state_up=true") == []
    assert await devices("device_id=s1&status=ACTIVE&admin_state_up=True") == ["s1"]
    cut = await listed(cloud, "ports?device_id=s1&fields=id&fields=device_id")
    assert cut == [{"id": ports[1]["id"], "device_id": "s1"}]
    fault(await cloud.call("GET", f"{V2}/ports?fixed_ips=10.0.0.1"), 400)


async def test_lists_are_sorted_and_paged(cloud: Cloud) -> None:
    network = await seeded(cloud, "private")
    for name in ("b", "a", "c"):
        await make(cloud, "port", network_id=network["id"], name=name, device_id="d")
    url = f"{V2}/ports?device_id=d&sort_key=name&sort_dir=desc&limit=2"
    first = (await cloud.call("GET", url)).want(200)
    assert [p["name"] for p in first["ports"]] == ["c", "b"]
    (link,) = first["ports_links"]
    assert link["href"].startswith(cloud.url)
    rest = (await cloud.call("GET", link["href"].removeprefix(cloud.url))).want(200)
    assert [p["name"] for p in rest["ports"]] == ["a"]
    assert "ports_links" not in rest
    for wrong in ("limit=-1", "limit=x", "marker=x", "sort_dir=asc"):
        fault(await cloud.call("GET", f"{V2}/ports?{wrong}"), 400)


async def test_a_bulk_create_is_all_or_nothing(cloud: Cloud) -> None:
    network = await seeded(cloud, "private")
    before = await listed(cloud, "ports")
    body = {"ports": [{"network_id": network["id"]}, {"network_id": "nowhere"}]}
    answer = await cloud.call("POST", f"{V2}/ports", body)
    assert fault(answer, 404) == "NetworkNotFound"
    assert await listed(cloud, "ports") == before


async def test_a_default_group_appears_at_the_first_look(cloud: Cloud) -> None:
    project = await cloud.new_user("gina")
    (group,) = await listed(cloud, "security-groups", user="gina")
    assert (group["name"], group["project_id"]) == ("default", project)
    rules = {
        (r["direction"], r["ethertype"], r["remote_group_id"])
        for r in group["security_group_rules"]
    }
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    path = f"{V2}/security-groups/{group['id']}"
    mine = await cloud.call("DELETE", path, user="gina")
    assert fault(mine, 409) == "SecurityGroupCannotRemoveDefault"
    (await cloud.call("DELETE", path)).want(204)
    other = await cloud.new_user("hugo")
    found = await listed(cloud, f"security-groups?project_id={other}&fields=id&fields=name")
    assert [g["name"] for g in found] == ["default"]


async def test_security_group_rules(cloud: Cloud) -> None:
    group = await make(cloud, "security_group", name="g")
    assert len(group["security_group_rules"]) == 2
    ssh = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": 22,
        "port_range_max": 22,
        "remote_ip_prefix": "0.0.0.0/0",
    }
    rule = await make(cloud, "security_group_rule", **ssh)
    assert (rule["ethertype"], rule["normalized_cidr"]) == ("IPv4", "0.0.0.0/0")

    async def refused(**changes: Any) -> Answer:
        body = {"security_group_rule": {**ssh, **changes}}
        return await cloud.call("POST", f"{V2}/security-group-rules", body)

    assert fault(await refused(), 409) == "SecurityGroupRuleExists"
    assert fault(await refused(port_range_min=23), 400) == "SecurityGroupInvalidPortRange"
    assert fault(await refused(ethertype="IPv6"), 400) == "SecurityGroupRuleParameterConflict"
    assert fault(await refused(protocol=None), 400) == "SecurityGroupProtocolRequiredWithPorts"
    assert fault(await refused(security_group_id="x"), 404) == "SecurityGroupNotFound"
    for wrong in ({"protocol": "carrier-pigeon"}, {"direction": "up"}, {"remote_ip_prefix": "x"}):
        fault(await refused(**wrong), 400)
    icmp = {
        "protocol": 1,
        "port_range_min": 8,
        "port_range_max": 0,
        "security_group_id": group["id"],
    }
    numbered = await make(cloud, "security_group_rule", direction="ingress", **icmp)
    assert numbered["protocol"] == "1"
    (await cloud.call("DELETE", f"{V2}/security-group-rules/{rule['id']}")).want(204)
    network = await seeded(cloud, "private")
    port = await make(cloud, "port", network_id=network["id"], security_groups=[group["id"]])
    path = f"{V2}/security-groups/{group['id']}"
    assert fault(await cloud.call("DELETE", path), 409) == "SecurityGroupInUse"
    (await cloud.call("DELETE", f"{V2}/ports/{port['id']}")).want(204)
    (await cloud.call("DELETE", path)).want(204)
    duplicate = await cloud.call(
        "POST", f"{V2}/security-groups", {"security_group": {"name": "default"}}
    )
    assert fault(duplicate, 409) == "SecurityGroupDefaultAlreadyExists"


async def test_the_life_of_a_tempest_project(cloud: Cloud) -> None:
    """Network, subnet, router made by the administrator for another project, and taken down."""
    project = await cloud.new_user("ines")
    public = await seeded(cloud, "public")
    network = await make(cloud, "network", name="t", project_id=project)
    subnet = await make(
        cloud,
        "subnet",
        network_id=network["id"],
        cidr="10.100.0.0/28",
        enable_dhcp=True,
        ip_version=4,
        project_id=project,
    )
    gateway = {"network_id": public["id"]}
    router = await make(
        cloud, "router", name="r", project_id=project, external_gateway_info=gateway
    )
    assert (router["project_id"], router["status"]) == (project, "ACTIVE")
    assert router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    add = f"{V2}/routers/{router['id']}/add_router_interface"
    remove = f"{V2}/routers/{router['id']}/remove_router_interface"
    interface = (await cloud.call("PUT", add, {"subnet_id": subnet["id"]})).want(200)
    assert interface["tenant_id"] == project
    (await cloud.call("PUT", add, {"subnet_id": subnet["id"]})).want(400)
    (owned,) = await listed(
        cloud, f"ports?device_id={router['id']}&device_owner=network:router_interface"
    )
    assert owned["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.100.0.1"}]
    assert fault(await cloud.call("DELETE", f"{V2}/ports/{owned['id']}"), 409) == "ServicePortInUse"

    port = await make(cloud, "port", user="ines", network_id=network["id"])
    assert "binding:host_id" not in port
    floating = await make(
        cloud, "floatingip", user="ines", floating_network_id=public["id"], port_id=port["id"]
    )
    assert floating["router_id"] == router["id"]
    in_use = await cloud.call("PUT", remove, {"subnet_id": subnet["id"]})
    assert fault(in_use, 409) == "RouterInterfaceInUseByFloatingIP"
    assert fault(await cloud.call("DELETE", f"{V2}/routers/{router['id']}"), 409) == "RouterInUse"
    assert (
        fault(await cloud.call("DELETE", f"{V2}/networks/{network['id']}"), 409) == "NetworkInUse"
    )
    assert fault(await cloud.call("DELETE", f"{V2}/subnets/{subnet['id']}"), 409) == "SubnetInUse"
    (await cloud.call("DELETE", f"{V2}/ports/{port['id']}", user="ines")).want(204)
    parted = (await cloud.call("GET", f"{V2}/floatingips/{floating['id']}")).want(200)["floatingip"]
    assert (parted["port_id"], parted["fixed_ip_address"], parted["status"]) == (None, None, "DOWN")
    (await cloud.call("DELETE", f"{V2}/floatingips/{floating['id']}", user="ines")).want(204)
    (await cloud.call("PUT", remove, {"subnet_id": subnet["id"]})).want(200)
    (await cloud.call("PUT", remove, {"subnet_id": subnet["id"]})).want(404)
    for path in (f"routers/{router['id']}", f"subnets/{subnet['id']}", f"networks/{network['id']}"):
        (await cloud.call("DELETE", f"{V2}/{path}")).want(204)
        (await cloud.call("DELETE", f"{V2}/{path}")).want(404)
    (group,) = await listed(cloud, f"security-groups?name=default&project_id={project}")
    (await cloud.call("DELETE", f"{V2}/security-groups/{group['id']}")).want(204)
    assert not await listed(cloud, f"ports?project_id={project}")


async def test_floating_ips_move_between_ports(cloud: Cloud) -> None:
    private, public = await seeded(cloud, "private"), await seeded(cloud, "public")
    one = await make(cloud, "port", network_id=private["id"])
    two = await make(cloud, "port", network_id=private["id"])
    floating = await make(cloud, "floatingip", floating_network_id=public["id"])
    assert (floating["status"], floating["port_details"]) == ("DOWN", None)
    path = f"{V2}/floatingips/{floating['id']}"
    for port in (one, two):
        moved = (await cloud.call("PUT", path, {"floatingip": {"port_id": port["id"]}})).want(200)
        assert moved["floatingip"]["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert await listed(cloud, f"floatingips?port_id={one['id']}") == []
    (found,) = await listed(cloud, f"floatingips?port_id={two['id']}")
    assert found["id"] == floating["id"]
    by_address = f"floatingips?floating_ip_address={floating['floating_ip_address']}"
    assert [f["id"] for f in await listed(cloud, by_address)] == [floating["id"]]
    clash = {"floating_network_id": public["id"], "port_id": two["id"]}
    answer = await cloud.call("POST", f"{V2}/floatingips", {"floatingip": clash})
    assert fault(answer, 409) == "FloatingIPPortAlreadyAssociated"
    parted = (await cloud.call("PUT", path, {"floatingip": {"port_id": None}})).want(200)
    assert parted["floatingip"]["status"] == "DOWN"
    lonely = await make(cloud, "network")
    await make(cloud, "subnet", network_id=lonely["id"], cidr="10.66.0.0/24", ip_version=4)
    stray = await make(cloud, "port", network_id=lonely["id"])
    answer = await cloud.call("PUT", path, {"floatingip": {"port_id": stray["id"]}})
    assert fault(answer, 404) == "ExternalGatewayForFloatingIPNotFound"
    wrong = {"floatingip": {"floating_network_id": private["id"]}}
    assert fault(await cloud.call("POST", f"{V2}/floatingips", wrong), 400) == "BadRequest"


async def test_projects_do_not_see_each_other(cloud: Cloud) -> None:
    await cloud.new_user("kim")
    await cloud.new_user("lea")
    network = await make(cloud, "network", user="kim", name="mine")
    await make(
        cloud, "subnet", user="kim", network_id=network["id"], cidr="10.5.0.0/24", ip_version=4
    )
    port = await make(cloud, "port", user="kim", network_id=network["id"])
    for path in (f"networks/{network['id']}", f"ports/{port['id']}"):
        fault(await cloud.call("GET", f"{V2}/{path}", user="lea"), 404)
        fault(await cloud.call("DELETE", f"{V2}/{path}", user="lea"), 404)
    fault(
        await cloud.call(
            "POST", f"{V2}/ports", {"port": {"network_id": network["id"]}}, user="lea"
        ),
        404,
    )
    assert "mine" not in {n["name"] for n in await listed(cloud, "networks", user="lea")}
    private = await seeded(cloud, "private")
    fault(await cloud.call("DELETE", f"{V2}/networks/{private['id']}", user="lea"), 403)
    for body in ({"shared": True}, {"router:external": True}, {"project_id": "other"}):
        fault(await cloud.call("POST", f"{V2}/networks", {"network": body}, user="lea"), 403)
    bind = {"port": {"binding:host_id": "h"}}
    fault(await cloud.call("PUT", f"{V2}/ports/{port['id']}", bind, user="kim"), 403)
    assert "provider:network_type" not in (await listed(cloud, "networks", user="kim"))[0]
    assert network["tenant_id"] == network["project_id"]


async def test_quotas_limit_and_count(cloud: Cloud) -> None:
    project = await cloud.new_user("mia")
    path = f"{V2}/quotas/{project}"
    set_to = {"quota": {"network": 1, "port": 2, "check_limit": False}}
    (await cloud.call("PUT", path, set_to, user="mia")).want(403)
    assert (await cloud.call("PUT", path, set_to)).want(200)["quota"]["network"] == 1
    await make(cloud, "network", user="mia")
    over = await cloud.call("POST", f"{V2}/networks", {"network": {}}, user="mia")
    assert fault(over, 409) == "OverQuota"
    for details in ("details", "details.json"):
        shown = (await cloud.call("GET", f"{path}/{details}", user="mia")).want(200)["quota"]
        assert shown["network"] == {"limit": 1, "used": 1, "reserved": 0}
    fault(await cloud.call("PUT", path, {"quota": {"network": -5}}), 400)
    fault(await cloud.call("PUT", path, {"quota": {"unicorn": 5}}), 400)
    (await cloud.call("DELETE", path)).want(204)
    shown = (await cloud.call("GET", path)).want(200)["quota"]
    assert shown == (await cloud.call("GET", f"{path}/default")).want(200)["quota"]


async def test_auto_allocated_topology(cloud: Cloud) -> None:
    project = await cloud.new_user("nora")
    path = f"{V2}/auto-allocated-topology/{project}"
    dry = (await cloud.call("GET", f"{path}?fields=dry-run", user="nora")).want(200)
    assert dry["auto_allocated_topology"]["id"] == "dry-run=pass"
    made = (await cloud.call("GET", path, user="nora")).want(200)["auto_allocated_topology"]
    again = (await cloud.call("GET", path, user="nora")).want(200)["auto_allocated_topology"]
    assert made == again
    port = await make(cloud, "port", user="nora", network_id=made["id"])
    public = await seeded(cloud, "public")
    floating = {"floating_network_id": public["id"], "port_id": port["id"]}
    floating_ip = await make(cloud, "floatingip", user="nora", **floating)
    fault(await cloud.call("DELETE", path, user="nora"), 409)
    (await cloud.call("DELETE", f"{V2}/floatingips/{floating_ip['id']}")).want(204)
    (await cloud.call("DELETE", f"{V2}/ports/{port['id']}")).want(204)
    (await cloud.call("DELETE", path, user="nora")).want(204)
    fault(await cloud.call("GET", f"{V2}/networks/{made['id']}"), 404)


async def test_trunks(cloud: Cloud) -> None:
    network = await seeded(cloud, "private")
    parent = await make(cloud, "port", network_id=network["id"])
    child = await make(cloud, "port", network_id=network["id"])
    sub = {"port_id": child["id"], "segmentation_type": "vlan", "segmentation_id": 42}
    trunk = await make(cloud, "trunk", port_id=parent["id"], sub_ports=[sub], name="t")
    assert (trunk["status"], trunk["sub_ports"]) == ("ACTIVE", [sub])
    shown = (await cloud.call("GET", f"{V2}/ports/{parent['id']}")).want(200)["port"]
    assert shown["trunk_details"]["sub_ports"] == [sub]
    for port, kind in ((parent, "PortInUseAsTrunkParent"), (child, "PortInUseAsSubPort")):
        assert fault(await cloud.call("DELETE", f"{V2}/ports/{port['id']}"), 409) == kind
    assert child["status"] == "DOWN"
    bind = {"port": {"binding:host_id": "compute-1"}}
    (await cloud.call("PUT", f"{V2}/ports/{parent['id']}", bind)).want(200)
    carried = (await cloud.call("GET", f"{V2}/ports/{child['id']}")).want(200)["port"]
    assert (carried["status"], carried["binding:host_id"]) == ("ACTIVE", "compute-1")
    bind["port"]["binding:host_id"] = ""
    (await cloud.call("PUT", f"{V2}/ports/{parent['id']}", bind)).want(200)
    body = {"sub_ports": [{"port_id": child["id"]}]}
    path = f"{V2}/trunks/{trunk['id']}"
    (await cloud.call("PUT", f"{path}/remove_subports", body)).want(200)
    (await cloud.call("PUT", f"{path}/remove_subports", body)).want(404)
    assert (await cloud.call("GET", f"{path}/get_subports")).want(200) == {"sub_ports": []}
    (await cloud.call("DELETE", path)).want(204)


async def test_tags(cloud: Cloud) -> None:
    red = await make(cloud, "network", name="red")
    path = f"{V2}/networks/{red['id']}/tags"
    answer = await cloud.call("PUT", path, {"tags": ["a", "b"]})
    assert answer.want(200) == {"tags": ["a", "b"]}
    (await cloud.call("PUT", f"{path}/c")).want(201)
    (await cloud.call("DELETE", f"{path}/a")).want(204)
    fault(await cloud.call("DELETE", f"{path}/a"), 404)
    for query, count in (("tags=b,c", 1), ("tags-any=a,c", 1), ("tags=a", 0), ("not-tags=b", 0)):
        assert len(await listed(cloud, f"networks?{query}&id={red['id']}")) == count
    (await cloud.call("DELETE", path)).want(204)


async def test_what_the_service_says_about_itself(cloud: Cloud) -> None:
    for path in ("/network", "/network/"):
        version = (await cloud.call("GET", path, user=None)).want(200)["versions"][0]
        assert version["links"][0]["href"] == f"{cloud.url}/network/v2.0/"
    aliases = {e["alias"] for e in await listed(cloud, "extensions")}
    assert {"binding-extended", "ip-substring-filtering", "auto-allocated-topology"} <= aliases
    assert not aliases & {"qos", "segment", "dns-integration", "port-resource-request-groups"}
    (await cloud.call("GET", f"{V2}/extensions/router")).want(200)
    fault(await cloud.call("GET", f"{V2}/extensions/Availability%20Zone"), 404)
    zones = await listed(cloud, "availability_zones")
    assert {z["resource"] for z in zones} == {"network", "router"}
    assert await listed(cloud, "agents") == []
    availability = (await cloud.call("GET", f"{V2}/network-ip-availabilities")).want(200)
    totals = {a["network_name"]: a["total_ips"] for a in availability["network_ip_availabilities"]}
    assert totals["private"] == 65_533
    (await cloud.call("GET", f"{V2}/networks", user=None)).want(401)
    fault(await cloud.call("GET", f"{V2}/qos/policies"), 404)


@pytest.mark.parametrize("port_count", [300])
async def test_many_ports_at_once_never_share_an_address(cloud: Cloud, port_count: int) -> None:
    network = await seeded(cloud, "private")
    fields = {"network_id": network["id"], "device_owner": "compute:nova"}
    ports = await asyncio.gather(
        *(make(cloud, "port", **fields, device_id=f"s{n}") for n in range(port_count))
    )
    assert len({p["fixed_ips"][0]["ip_address"] for p in ports}) == port_count
    assert len({p["mac_address"] for p in ports}) == port_count

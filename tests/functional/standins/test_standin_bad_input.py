"""Nothing a client sends is the server's fault: nonsense on every route, never a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from tests.functional.standins.conftest import Cloud

NONSENSE = [b"{", b"\xff\xfe", b"[]", b'"text"', b"null", b'{"a": {"b": 1}}', b"[[]]"]
WRONG_VALUES: list[Any] = [
    *(None, 5, -1, 2**40, 1.5, True, "", "x" * 300, "\u0000"),
    *([], [1], [None], {}, {"x": []}, [{"x": 1}]),
]
FIELDS = {
    "/identity/v3/projects": "project: name domain_id parent_id enabled tags is_domain",
    "/identity/v3/users": "user: name password enabled default_project_id email domain_id",
    "/identity/v3/groups": "group: name domain_id description",
    "/identity/v3/roles": "role: name domain_id options",
    "/identity/v3/domains": "domain: name enabled",
    "/identity/v3/services": "service: type name enabled",
    "/identity/v3/endpoints": "endpoint: service_id interface url region",
    "/identity/v3/regions": "region: id parent_region_id",
    "/identity/v3/auth/tokens": "auth: identity scope",
    "/network/v2.0/networks": "network: name mtu shared project_id provider:segmentation_id",
    "/network/v2.0/subnets": "subnet: network_id cidr ip_version gateway_ip allocation_pools"
    " host_routes dns_nameservers",
    "/network/v2.0/ports": "port: network_id fixed_ips mac_address device_id security_groups"
    " binding:profile binding:host_id allowed_address_pairs tags port_security_enabled",
    "/network/v2.0/routers": "router: name external_gateway_info routes admin_state_up",
    "/network/v2.0/floatingips": "floatingip: floating_network_id port_id fixed_ip_address"
    " floating_ip_address subnet_id",
    "/network/v2.0/security-groups": "security_group: name stateful project_id",
    "/network/v2.0/security-group-rules": "security_group_rule: security_group_id direction"
    " protocol port_range_min remote_ip_prefix remote_group_id",
    "/network/v2.0/trunks": "trunk: port_id sub_ports",
    "/image/v2/images": ": id name visibility owner disk_format container_format min_disk min_ram"
    " protected tags os_hidden anything",
    "/volume/v3/volumes": "volume: size name metadata imageRef snapshot_id volume_type multiattach",
    "/volume/v3/snapshots": "snapshot: volume_id name force metadata",
    "/volume/v3/types": "volume_type: name extra_specs description",
}


def every_route(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """(method, path) of every route, with something in place of each variable."""
    runner = cloud.service._runner
    assert runner is not None
    assert isinstance(runner.app, web.Application)
    for route in runner.app.router.routes():
        if route.resource is not None and route.method != "*":
            # The volume service looks for a project by its form.
            path = route.resource.canonical.replace("v3/{project_id}/", f"v3/{'0' * 32}/")
            yield route.method, re.sub(r"\{[^}]+\}", "odd%20%C3%9C", path)


async def test_every_route_survives_nonsense(cloud: Cloud) -> None:
    tried = 0
    for method, path in list(every_route(cloud)):
        for body in NONSENSE if method in {"POST", "PUT", "PATCH"} else [None]:
            headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            answer = await cloud.call(method, path, data=body, headers=headers)
            assert answer.status < 500, f"{method} {path} {body!r}: {answer.status} {answer.body!r}"
            tried += 1
    assert tried > 400


async def test_every_route_below_a_service_needs_a_token(cloud: Cloud) -> None:
    public = re.compile(
        r"/(healthz|readyz)|/identity(/|/v3/?|/v3/auth/tokens|/v3/users/[^/]+/password)?"
        r"|/image(/|/versions)?|/network(/|/v2.0/?)?|/volume(/|/v3/?)?"
    )
    for method, path in list(every_route(cloud)):
        answer = await cloud.call(method, path, user=None, headers={"X-Auth-Token": "forged"})
        if public.fullmatch(path) and not (path.endswith("/tokens") and method != "POST"):
            assert answer.status != 401 or method == "POST"
        else:
            assert answer.status == 401, f"{method} {path}: {answer.status}"


async def valid_bodies(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Of each kind one body that is accepted, good for `WRONG_VALUES` to be put into."""
    networks = (await cloud.call("GET", "/network/v2.0/networks")).want(200)["networks"]
    ids = {n["name"]: n["id"] for n in networks}
    fresh = (await cloud.call("POST", "/network/v2.0/networks", {"network": {}})).want(201)
    port_body = {"port": {"network_id": ids["private"]}}
    port = (await cloud.call("POST", "/network/v2.0/ports", port_body)).want(201)["port"]
    group = port["security_groups"][0]
    services = (await cloud.call("GET", "/identity/v3/services")).want(200)["services"]
    volume_body = {"volume": {"size": 1}}
    volume = (await cloud.call("POST", "/volume/v3/volumes", volume_body)).want(202)["volume"]
    endpoint = {"service_id": services[0]["id"], "interface": "admin", "url": "http://x"}
    return {
        "/identity/v3/projects": {"name": "n"},
        "/identity/v3/users": {"name": "n"},
        "/identity/v3/groups": {"name": "n"},
        "/identity/v3/roles": {"name": "n"},
        "/identity/v3/domains": {"name": "n"},
        "/identity/v3/services": {"type": "t"},
        "/identity/v3/endpoints": endpoint,
        "/identity/v3/regions": {"id": "r"},
        "/network/v2.0/networks": {},
        "/network/v2.0/subnets": {"network_id": fresh["network"]["id"], "cidr": "10.77.0.0/24"},
        "/network/v2.0/ports": port_body["port"],
        "/network/v2.0/routers": {},
        "/network/v2.0/floatingips": {"floating_network_id": ids["public"]},
        "/network/v2.0/security-groups": {"name": "n"},
        "/network/v2.0/security-group-rules": {"security_group_id": group, "direction": "egress"},
        "/network/v2.0/trunks": {"port_id": port["id"]},
        "/image/v2/images": {},
        "/identity/v3/auth/tokens": {},
        "/volume/v3/volumes": {"size": 1},
        "/volume/v3/snapshots": {"volume_id": volume["id"]},
        "/volume/v3/types": {"name": "n"},
    }


@pytest.mark.parametrize("path", sorted(FIELDS))
async def test_wrong_values_in_every_field(cloud: Cloud, path: str) -> None:
    """In a create and in an update; the server stays right in the head."""
    envelope, _, names = FIELDS[path].partition(":")
    valid = (await valid_bodies(cloud))[path]
    made = await cloud.call("POST", path, {envelope: valid} if envelope else valid)
    inner = made.body.get(envelope, made.body) if made.status in {200, 201, 202} else {}
    verb = "PUT" if path.startswith(("/network", "/volume")) else "PATCH"
    refused = 0
    for field in names.split():
        for value in WRONG_VALUES:
            sent = {**valid, field: value}
            answers = [await cloud.call("POST", path, {envelope: sent} if envelope else sent)]
            if "id" in inner and envelope:
                one = f"{path}/{inner['id']}"
                answers.append(await cloud.call(verb, one, {envelope: {field: value}}))
                answers.append(await cloud.call("GET", one))
            for answer in answers:
                assert answer.status < 500, f"{sent}: {answer.status} {answer.body!r}"
                refused += answer.status == 400
    assert refused > 3
    (await cloud.call("GET", "/network/v2.0/ports")).want(200)


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/identity/v3/projects", {"project": {}}, "name"),
        ("/identity/v3/users", {"user": {"name": "x", "enabled": "perhaps"}}, "enabled"),
        ("/identity/v3/users", {}, "user"),
        ("/network/v2.0/ports", {"port": {}}, "network_id"),
        ("/network/v2.0/ports", {"port": {"network_id": "x", "colour": 1}}, "colour"),
        ("/network/v2.0/networks", {"network": {"mtu": "wide"}}, "mtu"),
        ("/network/v2.0/networks", {"networks": 5}, "networks"),
        ("/image/v2/images", {"min_ram": "much"}, "min_ram"),
        ("/image/v2/images", {"hw_x": 1}, "hw_x"),
    ],
)
async def test_the_message_names_the_field(
    cloud: Cloud, path: str, body: dict[str, Any], name: str
) -> None:
    answer = await cloud.call("POST", path, body)
    assert answer.status == 400
    assert name in str(answer.body)


async def test_a_huge_body_is_refused(cloud: Cloud) -> None:
    answer = await cloud.call("POST", "/network/v2.0/ports", data=b" " * (1 << 21))
    assert answer.status == 413


async def test_unknown_paths_answer_in_the_words_of_their_service(cloud: Cloud) -> None:
    identity = await cloud.call("GET", "/identity/v3/policies")
    assert identity.want(404)["error"]["code"] == 404
    network = await cloud.call("GET", "/network/v2.0/metering/labels")
    assert network.want(404)["NeutronError"]["type"] == "HTTPNotFound"
    image = await cloud.call("GET", "/image/v2/nothing")
    assert b"404 Not Found" in image.want(404)

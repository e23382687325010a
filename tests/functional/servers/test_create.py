"""POST /servers: what is left behind when it is accepted, and that nothing is when it is not."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from common.auth.session import ServiceSession
from common.domain.guest_data.secrets import GuestSecrets, InjectedFile
from common.messages.scheduler import SelectHost
from tests.functional.servers.conftest import Stack, given
from tests.support.wait import wait_for


async def test_one_server(stack: Stack) -> None:
    answer = await stack.create("Web Server_1", metadata={"a": "b"}, tags=["t", "t", "u"])
    assert answer.status == 202
    server = answer.body["server"]
    assert set(server) == {"id", "links", "adminPass", "security_groups", "OS-DCF:diskConfig"}
    assert answer.headers["Location"] == server["links"][0]["href"]
    assert server["security_groups"] == [{"name": "default"}]

    row = await stack.row(server["id"])
    assert (row["vm_state"], row["task_state"], row["host"]) == ("building", "scheduling", None)
    assert (row["name"], row["hostname"]) == ("Web Server_1", "web-server-1")
    assert row["requested_networks"] == [{"uuid": stack.private, "label": "private"}]
    assert row["flavor"]["name"] == "m1.tiny"
    assert row["tags"] == ["t", "u"]
    assert await stack.actions(server["id"]) == ["create"]
    (workflow,) = await stack.workflows(server["id"])
    assert workflow["kind"] == "build"
    state, secrets = given(workflow)
    assert secrets == GuestSecrets(server["adminPass"])
    assert state == {
        "force_host": None,
        "requested_host": None,
        "availability_zone": None,
        "security_group_ids": None,
    }
    asked = SelectHost(
        request_id=answer.headers["x-openstack-request-id"],
        workflow_id=workflow["id"],
        server_uuid=server["id"],
        project_id=row["project_id"],
        vcpus=1,
        memory_mib=512,
        disk_gib=1,
        flavor=row["flavor"],
        image_id=stack.image,
        image_properties=row["image_properties"],
        wakes=True,  # the answer wakes a conductor
    )
    await wait_for(lambda: asked in stack.heard)

    shown = await stack.show(server["id"])
    assert (shown["status"], shown["hostId"], shown["OS-EXT-AZ:availability_zone"]) == (
        "BUILD",
        "",
        "",
    )
    assert shown["metadata"] == {"a": "b"}
    assert shown["image"]["id"] == stack.image


async def test_password_is_returned_once_and_kept_nowhere(stack: Stack) -> None:
    given = "a-password-that-must-not-be-kept"
    answer = await stack.create(adminPass=given)
    assert answer.body["server"]["adminPass"] == given
    server_id = answer.body["server"]["id"]
    assert given not in str(dict(await stack.row(server_id)))
    assert given not in str([dict(row) for row in await stack.workflows(server_id)])
    made = (await stack.create()).body["server"]["adminPass"]
    assert len(made) == 12


async def test_several_servers_are_numbered_and_share_a_reservation(stack: Stack) -> None:
    answer = await stack.create("w", min_count=2, max_count="3", return_reservation_id=True)
    assert set(answer.body) == {"reservation_id"}
    assert "Location" not in answer.headers
    rows = await stack.pool.fetch(
        "select * from servers where reservation_id = $1 order by launch_index",
        answer.body["reservation_id"],
    )
    assert [(row["name"], row["launch_index"]) for row in rows] == [
        ("w-1", 0),
        ("w-2", 1),
        ("w-3", 2),
    ]
    for row in rows:
        (workflow,) = await stack.workflows(str(row["uuid"]))
        assert workflow["request_id"] == answer.headers["x-openstack-request-id"]


async def test_description_is_the_name_below_2_19(stack: Stack) -> None:
    old = await stack.created("old", v=18)
    new = await stack.created("new", v=19)
    said = await stack.created("said", v=19, description="words")
    assert [(await stack.row(each))["description"] for each in (old, new, said)] == [
        "old",
        None,
        "words",
    ]


async def test_key_and_user_data(stack: Stack) -> None:
    public_key = (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHdVn3Tq3xV6d0V1mWl1tJq8Jq3mT8wz0n0m0b0V0F1u x"
    )
    made = await stack.call(
        "POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": public_key}}, user="demo"
    )
    assert made.status == 201, made.body
    user_data = base64.b64encode(b"#!/bin/sh").decode()
    server_id = await stack.created(key_name="k", user_data=user_data, config_drive="on")
    row = await stack.row(server_id)
    assert (row["key_data"], row["user_data"]) == (public_key, user_data)
    shown = await stack.show(server_id)
    assert (shown["key_name"], shown["config_drive"]) == ("k", "True")


async def test_hostname_of_a_name_without_usable_letters(stack: Stack) -> None:
    server_id = await stack.created("...")
    assert (await stack.row(server_id))["hostname"] == f"Server-{server_id}"
    server_id = await stack.created("x", hostname="a.b.example")
    assert (await stack.show(server_id))["OS-EXT-SRV-ATTR:hostname"] == "a.b.example"


async def test_networks_by_default_none_auto_and_by_port(stack: Stack) -> None:
    async def wanted(v: int = 104, **fields: Any) -> Any:
        server_id = await stack.created(v=v, **fields)
        return (await stack.row(server_id))["requested_networks"]

    the_only_one = [{"uuid": stack.private, "label": "private"}]
    assert await wanted(v=1, networks=...) == the_only_one
    assert await wanted(networks="auto") == the_only_one
    assert await wanted(networks="none") == "none"
    body = {"port": {"network_id": stack.private, "project_id": stack.projects["demo"]}}
    port = (await stack.neighbour("network", "/v2.0/ports", method="POST", body=body))["port"]
    assert await wanted(networks=[{"port": port["id"], "tag": "nic"}]) == [
        {"port": port["id"], "uuid": stack.private, "label": "private", "tag": "nic"}
    ]
    assert await wanted(networks=[{"uuid": stack.private, "fixed_ip": "10.0.9.9"}]) == [
        {"uuid": stack.private, "label": "private", "fixed_ip": "10.0.9.9"}
    ]


async def test_a_server_without_network_shows_no_security_groups(stack: Stack) -> None:
    server_id = await stack.created(networks="none")
    assert "security_groups" not in await stack.show(server_id)


async def test_the_mapping_clients_send_for_a_plain_image(stack: Stack) -> None:
    mapping = {
        "uuid": stack.image,
        "boot_index": 0,
        "source_type": "image",
        "destination_type": "local",
        "delete_on_termination": True,
    }
    assert (await stack.create(block_device_mapping_v2=[mapping])).status == 202


async def test_both_spellings_of_scheduler_hints(stack: Stack) -> None:
    for key in ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"):
        body = {**stack.body(), key: {"same_host": [stack.image], "mine": "x"}}
        answer = await stack.call("POST", "/servers", body, user="demo")
        assert answer.status == 202, answer.body
        shown = await stack.show(answer.body["server"]["id"])
        assert shown["scheduler_hints"] == {"same_host": [stack.image], "mine": "x"}


async def test_what_the_guest_is_given(stack: Stack) -> None:
    files = [{"path": "/etc/motd", "contents": "aGk="}, {"path": "/b", "contents": "aG\nk="}]
    answer = await stack.create(v=56, adminPass="pw", personality=files, max_count=2)
    assert answer.body["server"]["adminPass"] == "pw"
    rows = await stack.pool.fetch("select * from workflows order by id desc limit 2")
    expected = GuestSecrets("pw", (InjectedFile("/etc/motd", b"hi"), InjectedFile("/b", b"hi")))
    assert [given(row)[1] for row in rows] == [expected] * 2


@pytest.mark.parametrize(
    ("asked", "image", "column"),
    [(True, {}, "True"), (False, {}, ""), (False, {"img_config_drive": "mandatory"}, "True"),
     (False, {"img_config_drive": "optional"}, "")],
)  # fmt: skip
async def test_config_drive(stack: Stack, asked: bool, image: dict[str, Any], column: str) -> None:
    made = await stack.new_image(name="i", **image)
    server_id = await stack.created(imageRef=made, config_drive=asked)
    assert (await stack.row(server_id))["config_drive"] == column


async def test_where_an_administrator_may_send_it(stack: Stack) -> None:
    await stack.add_host("there")

    async def state(**fields: Any) -> dict[str, Any]:
        server_id = await stack.created(user="admin", **fields)
        (workflow,) = await stack.workflows(server_id)
        return {key: value for key, value in given(workflow)[0].items() if value is not None}

    assert await state(availability_zone="nova:there") == {
        "force_host": "there",
        "availability_zone": "nova",
    }
    assert await state(availability_zone="nova::there") == {
        "force_host": "there",
        "availability_zone": "nova",
    }
    assert await state(host="there") == {"requested_host": "there"}
    assert await state(hypervisor_hostname="there") == {"requested_host": "there"}
    server_id = await stack.created(availability_zone="nova")
    shown = await stack.show(server_id)
    assert (shown["OS-EXT-AZ:availability_zone"], shown["pinned_availability_zone"]) == (
        "nova",
        "nova",
    )


UUID = "0c0ffee0-0000-4000-8000-000000000000"
FILE = {"path": "/p", "contents": base64.b64encode(b"x").decode()}

REFUSED: list[tuple[dict[str, Any], int, int, str]] = [
    # fields, microversion, status, words of the message
    ({"name": ...}, 104, 400, "'name' is a required property"),
    ({"name": " x"}, 104, 400, "Invalid input for field/attribute name"),
    ({"name": "x" * 256}, 104, 400, "Invalid input for field/attribute name"),
    ({"flavorRef": ...}, 104, 400, "'flavorRef' is a required property"),
    ({"flavorRef": "nope"}, 104, 400, "Flavor nope could not be found."),
    ({"imageRef": UUID}, 104, 400, "Can not find requested image"),
    ({"imageRef": "x y"}, 104, 400, "Invalid input for field/attribute imageRef"),
    ({"imageRef": ""}, 104, 400, "Missing imageRef attribute"),
    ({"networks": ...}, 37, 400, "'networks' is a required property"),
    ({"networks": [{"uuid": UUID}]}, 104, 400, f"Network {UUID} could not be found."),
    ({"networks": [{"uuid": "x"}]}, 36, 400, "network uuid is not in proper format (x)"),
    ({"networks": [{"port": UUID}]}, 104, 400, f"Port id {UUID} could not be found."),
    ({"networks": [{"port": UUID, "fixed_ip": "10.0.0.9"}]}, 104, 400, "cannot be used with port"),
    ({"networks": [{}]}, 104, 400, "missing 'uuid'"),
    ({"networks": "some"}, 104, 400, "networks"),
    ({"key_name": "nope"}, 104, 400, "Invalid key_name provided."),
    ({"user_data": "x"}, 104, 400, "user_data"),
    ({"min_count": 2, "max_count": 1}, 104, 400, "min_count must be <= max_count"),
    ({"max_count": 0}, 104, 400, "max_count"),
    ({"max_count": "x"}, 104, 400, "max_count"),
    ({"min_count": 1001}, 104, 400, "min_count may be at most 1000"),
    ({"hostname": "h", "max_count": 2}, 94, 400, "hostname"),
    ({"hostname": "h.example"}, 90, 400, "hostname"),
    ({"hostname": "hh"}, 89, 400, "'hostname' was unexpected"),
    ({"description": "d"}, 18, 400, "'description' was unexpected"),
    ({"tags": ["t"]}, 51, 400, "'tags' was unexpected"),
    ({"tags": ["a,b"]}, 52, 400, "Invalid input for field/attribute"),
    ({"personality": [FILE]}, 57, 400, "'personality' was unexpected"),
    ({"personality": [FILE] * 6}, 56, 403, "Personality file limit exceeded"),
    ({"personality": [{"path": "/p"}]}, 56, 400, "missing contents"),
    ({"metadata": {"k": "x" * 256}}, 104, 400, "Invalid input for field/attribute k"),
    ({"metadata": {str(n): "" for n in range(129)}}, 104, 403, "metadata items exceeds 128"),
    ({"security_groups": [{"name": "nope"}]}, 104, 400, "Security group nope not found"),
    ({"availability_zone": "mars"}, 104, 400, "The requested availability zone is not available"),
    ({"availability_zone": "a:b:c:d"}, 104, 400, "Unable to parse availability_zone"),
    ({"availability_zone": "nova:h"}, 104, 403, "os_compute_api:servers:create:forced_host"),
    ({"host": "h"}, 74, 403, "compute:servers:create:requested_destination"),
    ({"host": "h"}, 73, 400, "'host' was unexpected"),
    ({"OS-DCF:diskConfig": "x"}, 104, 400, "OS-DCF:diskConfig"),
    ({"accessIPv4": "1.2.3"}, 104, 400, "accessIPv4"),
    ({"trusted_image_certificates": []}, 63, 400, "trusted_image_certificates"),
    (
        {"block_device_mapping_v2": [
            {"uuid": UUID, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
        ]}, 104, 400, "failed to get volume",
    ),
    ({"block_device_mapping": [{"volume_id": UUID}]}, 104, 400, "Block Device Mapping is Invalid"),
    ({"unknown": 1}, 104, 400, "'unknown' was unexpected"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "v", "status", "words"), REFUSED, ids=[f"{sorted(r[0])}-{r[1]}" for r in REFUSED]
)
async def test_refused_and_nothing_left(
    stack: Stack, fields: dict[str, Any], v: int, status: int, words: str
) -> None:
    before = [await stack.count(t) for t in ("servers", "workflows", "instance_actions")]
    answer = await stack.create(v=v, **fields)
    assert answer.status == status, answer.body
    assert words in answer.fault()
    assert before == [await stack.count(t) for t in ("servers", "workflows", "instance_actions")]


async def test_unknown_hosts_are_refused_to_administrators_too(stack: Stack) -> None:
    places: list[dict[str, Any]] = [
        {"host": "nowhere"},
        {"availability_zone": "nova::nowhere"},
    ]
    for fields in places:
        answer = await stack.create(user="admin", **fields)
        assert answer.status == 400
        assert answer.fault() == "Compute host nowhere could not be found."


async def test_unknown_group_is_refused(stack: Stack) -> None:
    body = {**stack.body(), "os:scheduler_hints": {"group": UUID}}
    answer = await stack.call("POST", "/servers", body, user="demo")
    assert (answer.status, answer.fault()) == (400, f"Instance group {UUID} could not be found.")


async def test_external_networks_are_for_administrators(stack: Stack) -> None:
    answer = await stack.create(networks=[{"uuid": stack.public}])
    assert answer.status == 403
    assert "external network" in answer.fault()
    assert (await stack.create(user="admin", networks=[{"uuid": stack.public}])).status == 202


async def test_readers_may_not_create(stack: Stack) -> None:
    answer = await stack.create(user="reader")
    assert answer.status == 403
    assert "os_compute_api:servers:create" in answer.fault()


@pytest.mark.parametrize(
    ("name", "changes", "status", "words"),
    [
        ("zero", {"disk": 0}, 403, "Only volume-backed servers are allowed for flavors with zero"),
        ("small", {"ram": 16}, 400, "Flavor's memory is too small for requested image."),
        ("off", {}, 400, "Flavor off could not be found."),
    ],
)
async def test_flavors_that_do_not_do(
    stack: Stack, name: str, changes: dict[str, Any], status: int, words: str
) -> None:
    disabled = name == "off"
    flavor = {"id": name, "name": name, "ram": 512, "vcpus": 1, "disk": 1, **changes}
    made = await stack.call("POST", "/flavors", {"flavor": flavor})
    assert made.status == 200, made.body
    await stack.pool.execute("update flavors set disabled = $2 where flavorid = $1", name, disabled)
    image = await stack.neighbour(
        "image", "/v2/images", method="POST",
        body={"name": name, "disk_format": "raw", "container_format": "bare", "min_ram": 64,
              "visibility": "public"},
    )  # fmt: skip
    url = stack.identity_url.removesuffix("identity") + f"image/v2/images/{image['id']}/file"
    headers = {
        "X-Auth-Token": stack.tokens["admin"],
        "Content-Type": "application/octet-stream",
    }
    queued = await stack.create(flavorRef=name, imageRef=image["id"])
    if not disabled:
        assert (queued.status, queued.fault()) == (400, f"Image {image['id']} is not active.")
    async with stack.http.put(url, data=b"x", headers=headers) as response:
        assert response.status == 204
    answer = await stack.create(flavorRef=name, imageRef=image["id"])
    assert answer.status == status, answer.body
    assert words in answer.fault()


async def test_others_private_flavors_do_not_exist(stack: Stack) -> None:
    flavor = {"id": "prv", "name": "prv", "ram": 512, "vcpus": 1, "disk": 1}
    body = {"flavor": {**flavor, "os-flavor-access:is_public": False}}
    assert (await stack.call("POST", "/flavors", body)).status == 200
    answer = await stack.create(flavorRef="prv")
    assert (answer.status, answer.fault()) == (400, "Flavor prv could not be found.")
    grant = {"addTenantAccess": {"tenant": stack.projects["demo"]}}
    assert (await stack.call("POST", "/flavors/prv/action", grant)).status == 200
    assert (await stack.create(flavorRef="prv")).status == 202


async def _port(stack: Stack, **fields: Any) -> str:
    body = {"port": {"network_id": stack.private, "project_id": stack.projects["demo"], **fields}}
    return str(
        (await stack.neighbour("network", "/v2.0/ports", method="POST", body=body))["port"]["id"]
    )


async def test_ports_and_addresses_in_use(stack: Stack) -> None:
    used = await _port(stack, device_id="somebody", fixed_ips=[{"ip_address": "10.0.77.7"}])
    answer = await stack.create(networks=[{"port": used}])
    assert (answer.status, answer.fault()) == (409, f"Port {used} is still in use.")
    answer = await stack.create(networks=[{"uuid": stack.private, "fixed_ip": "10.0.77.7"}])
    assert (answer.status, answer.fault()) == (
        400,
        "Fixed IP address 10.0.77.7 is already in use on instance somebody.",
    )
    near = {"uuid": stack.private, "fixed_ip": "10.0.77.70"}
    assert (await stack.create(networks=[near])).status == 202


async def test_one_port_or_address_is_for_one_server(stack: Stack) -> None:
    port = await _port(stack)
    answer = await stack.create(max_count=2, networks=[{"port": port}])
    assert answer.status == 400
    assert "Unable to launch multiple instances with a single configured port ID" in answer.fault()
    answer = await stack.create(networks=[{"port": port}, {"port": port}])
    assert answer.status == 400
    address = {"uuid": stack.private, "fixed_ip": "10.0.88.8"}
    answer = await stack.create(max_count=2, networks=[address])
    assert answer.status == 400
    assert "max_count cannot be greater than 1" in answer.fault()


async def test_security_groups_by_name_and_id(stack: Stack) -> None:
    ids = []
    for name in ("web", "twin", "twin"):
        body = {"security_group": {"name": name, "project_id": stack.projects["demo"]}}
        made = await stack.neighbour("network", "/v2.0/security-groups", method="POST", body=body)
        ids.append(made["security_group"]["id"])
    groups = [{"name": "web"}, {"name": ids[1]}, {"name": "web"}]
    server_id = await stack.created(security_groups=groups)
    (workflow,) = await stack.workflows(server_id)
    assert workflow["state"]["security_group_ids"] == ids[:2]
    shown = await stack.show(server_id)
    assert shown["security_groups"] == [{"name": "web"}, {"name": "twin"}]
    answer = await stack.create(security_groups=[{"name": "twin"}])
    assert answer.status == 409
    assert "Multiple security groups found matching 'twin'" in answer.fault()


async def test_several_networks_leave_the_choice_to_the_caller(stack: Stack) -> None:
    body = {"network": {"name": "second", "project_id": stack.projects["other"]}}
    await stack.neighbour("network", "/v2.0/networks", method="POST", body=body)
    for v, networks in ((36, ...), (104, "auto")):
        answer = await stack.create(user="other", v=v, networks=networks)
        assert answer.status == 409
        assert "Multiple possible networks found" in answer.fault()


async def test_many_networks_are_asked_for_at_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are named, a request costs the network service the same few questions."""
    asked: list[str] = []
    exchange = ServiceSession.exchange

    async def counted(self: ServiceSession, service: str, *args: Any, **more: Any) -> Any:
        asked.append(service)
        return await exchange(self, service, *args, **more)

    monkeypatch.setattr(ServiceSession, "exchange", counted)
    ports = [await _port(stack) for _ in range(4)]

    async def questions(numbers: range) -> int:
        asked.clear()
        named = [{"port": ports[n]} for n in numbers]
        named += [{"uuid": stack.private, "fixed_ip": f"10.0.90.{n + 1}"} for n in numbers]
        answer = await stack.create(networks=named)
        assert answer.status == 202, answer.body
        return asked.count("network")

    assert await questions(range(1)) == await questions(range(1, 4)) == 3
    assert (await stack.create(networks=[{"uuid": stack.private}] * 65)).status == 400

"""What a server looks like, per version and per caller."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

GAINED = {
    3: {"OS-EXT-SRV-ATTR:reservation_id", "OS-EXT-SRV-ATTR:launch_index",
        "OS-EXT-SRV-ATTR:ramdisk_id", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:hostname",
        "OS-EXT-SRV-ATTR:root_device_name", "OS-EXT-SRV-ATTR:user_data"},
    9: {"locked"},
    16: {"host_status"},
    19: {"description"},
    26: {"tags"},
    63: {"trusted_image_certificates"},
    71: {"server_groups"},
    73: {"locked_reason"},
    96: {"pinned_availability_zone"},
    100: {"scheduler_hints"},
}  # fmt: skip
IN_OLD_PUT = {
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor",
    "created", "updated", "addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig",
    "progress",
}  # fmt: skip
ADDRESSES = [
    {
        "label": "net", "mac": "fa:16:3e:00:00:01", "port_id": "p", "network_id": "n",
        "fixed_ips": [
            {"address": "10.0.0.7", "version": 4, "floating": ["172.24.4.9"]},
            {"address": "fd00::7", "version": 6, "floating": []},
        ],
    }
]  # fmt: skip
FAULT = {
    "code": 500, "message": "No valid host was found.", "details": "compute-7 said no",
    "created": "2026-01-02T03:04:05.678+00:00",
}  # fmt: skip


async def test_fields_appear_in_their_version(stack: Stack) -> None:
    server_id = await stack.server(user="admin")
    for v, fields in GAINED.items():
        before = set(await stack.show(server_id, user="admin", v=v - 1))
        after = set(await stack.show(server_id, user="admin", v=v))
        assert after - before == fields
        assert before <= after


async def test_put_answers_in_full_from_2_75(stack: Stack) -> None:
    server_id = await stack.server(user="admin", network_info=ADDRESSES)

    async def put(v: int) -> dict[str, Any]:
        answer = await stack.call("PUT", f"/servers/{server_id}", {"server": {"name": "n"}}, v=v)
        assert answer.status == 200, answer.body
        return dict(answer.body["server"])

    old, full = await put(1), await put(75)
    assert set(old) == IN_OLD_PUT
    assert set(old["addresses"]["net"][0]) == {"addr", "version"}
    shown = await stack.show(server_id, user="admin", v=75)
    assert full == {**shown, "updated": full["updated"]}


async def test_administrators_see_where_it_is(stack: Stack) -> None:
    server_id = await stack.server(host="compute-7", node="node-7")
    mine = await stack.show(server_id, v=89)
    assert not [name for name in mine if name.startswith("OS-EXT-SRV-ATTR:")]
    assert "OS-EXT-SRV-ATTR:hostname" in await stack.show(server_id, v=90)
    theirs = await stack.show(server_id, user="admin")
    assert theirs["OS-EXT-SRV-ATTR:host"] == "compute-7"
    assert theirs["OS-EXT-SRV-ATTR:hypervisor_hostname"] == "node-7"
    project = stack.projects["demo"]
    expected = hashlib.sha224(f"{project}compute-7".encode()).hexdigest()
    assert mine["hostId"] == theirs["hostId"] == expected


async def test_flavor_image_and_addresses(stack: Stack) -> None:
    server_id = await stack.server(
        network_info=ADDRESSES, image_ref=stack.image, image_properties={"os_type": "linux"}
    )
    old = await stack.show(server_id, v=46)
    assert old["flavor"]["id"] == "1"
    assert old["flavor"]["links"][0]["href"].endswith("/flavors/1")
    new = await stack.show(server_id, v=47)
    assert new["flavor"] == {
        "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny",
        "extra_specs": {"hw:watchdog_action": "reset"},
    }  # fmt: skip
    assert "properties" not in (await stack.show(server_id, v=97))["image"]
    assert (await stack.show(server_id, v=98))["image"]["properties"] == {"os_type": "linux"}
    mac = {"OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}
    assert new["addresses"] == {
        "net": [
            {"addr": "10.0.0.7", "version": 4, "OS-EXT-IPS:type": "fixed", **mac},
            {"addr": "172.24.4.9", "version": 4, "OS-EXT-IPS:type": "floating", **mac},
            {"addr": "fd00::7", "version": 6, "OS-EXT-IPS:type": "fixed", **mac},
        ]
    }
    without = await stack.server(image_ref=None)
    assert (await stack.show(without))["image"] == ""


@pytest.mark.parametrize(
    ("vm_state", "task_state", "shown"),
    [
        ("error", None, {"fault"}),
        ("active", None, {"progress"}),
        ("active", "rebuilding", {"progress"}),
        ("error", "rebuilding", {"progress"}),
        ("stopped", None, set()),
        ("paused", None, set()),
    ],
)
async def test_fault_and_progress_by_status(
    stack: Stack, vm_state: str, task_state: str | None, shown: set[str]
) -> None:
    server_id = await stack.server(vm_state=vm_state, task_state=task_state, fault=FAULT)
    assert {"fault", "progress"} & set(await stack.show(server_id)) == shown


async def test_details_of_our_own_failures_are_for_administrators(stack: Stack) -> None:
    ours = await stack.server(vm_state="error", fault=FAULT)
    theirs = await stack.server(vm_state="error", fault={**FAULT, "code": 400})
    assert (await stack.show(ours))["fault"] == {
        "code": 500,
        "created": "2026-01-02T03:04:05Z",
        "message": "No valid host was found.",
    }
    assert (await stack.show(ours, user="admin"))["fault"]["details"] == "compute-7 said no"
    assert (await stack.show(theirs))["fault"]["details"] == "compute-7 said no"


async def test_links_repeat_the_form_of_the_url(stack: Stack) -> None:
    server_id = await stack.server()
    project = stack.projects["demo"]
    path = f"/{project}/servers/{server_id}"
    answer = await stack.call("GET", path, user="demo")
    assert [
        link["href"].removeprefix(stack.base_url) for link in answer.body["server"]["links"]
    ] == [
        f"/v2.1/{project}/servers/{server_id}",
        f"/{project}/servers/{server_id}",
    ]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_others_servers_do_not_exist(stack: Stack, method: str) -> None:
    server_id = await stack.server()
    body = {"server": {"name": "mine"}} if method == "PUT" else None
    answer = await stack.call(method, f"/servers/{server_id}", body, user="other")
    assert (answer.status, answer.fault()) == (404, f"Instance {server_id} could not be found.")
    assert (await stack.row(server_id))["name"] == "s"


class TestUpdate:
    async def put(self, stack: Stack, server_id: str, *, v: int = 104, **fields: Any) -> Any:
        return await stack.call(
            "PUT", f"/servers/{server_id}", {"server": fields}, user="demo", v=v
        )

    async def test_everything_a_user_may_change(self, stack: Stack) -> None:
        server_id = await stack.server(vm_state="error", locked_by="admin", task_state="deleting")
        answer = await self.put(
            stack, server_id, name="new name", description="d", hostname="h.example",
            accessIPv4="1.2.3.4", accessIPv6="0:0:0:0:0:babe:220.12.22.2",
            **{"OS-DCF:diskConfig": "AUTO"},  # type: ignore[arg-type] # no microversion
        )  # fmt: skip
        assert answer.status == 200, answer.body
        shown = answer.body["server"]
        assert (shown["name"], shown["description"]) == ("new name", "d")
        # Clients compare with the shortest form.
        assert (shown["accessIPv4"], shown["accessIPv6"]) == ("1.2.3.4", "::babe:dc0c:1602")
        assert shown["OS-EXT-SRV-ATTR:hostname"] == "h.example"
        assert shown["OS-DCF:diskConfig"] == "AUTO"
        assert (await self.put(stack, server_id, description=None)).body["server"][
            "description"
        ] is None
        assert not await stack.actions(server_id)

    async def test_a_new_name_leaves_the_hostname(self, stack: Stack) -> None:
        server_id = await stack.server(hostname="old")
        await self.put(stack, server_id, name="new")
        assert (await stack.row(server_id))["hostname"] == "old"

    @pytest.mark.parametrize(
        ("v", "fields", "words"),
        [
            (104, {"name": ""}, "name"),
            (104, {"metadata": {}}, "'metadata' was unexpected"),
            (18, {"description": "d"}, "'description' was unexpected"),
            (89, {"hostname": "hh"}, "'hostname' was unexpected"),
            (93, {"hostname": "h.h"}, "hostname"),
            (103, {"pinned_availability_zone": None}, "was unexpected"),
        ],
    )
    async def test_refused(self, stack: Stack, v: int, fields: dict[str, Any], words: str) -> None:
        answer = await self.put(stack, await stack.server(), v=v, **fields)
        assert answer.status == 400
        assert words in answer.fault()

    async def test_pinning(self, stack: Stack) -> None:
        placed = await stack.server(host="h", pinned_availability_zone="nova")
        for zone, status in [(None, 200), ("nova", 200), ("nova", 200), ("mars", 409)]:
            answer = await self.put(stack, placed, pinned_availability_zone=zone)
            assert answer.status == status
            if status == 200:
                assert answer.body["server"]["pinned_availability_zone"] == zone
        nowhere = await stack.server(vm_state="building")
        answer = await self.put(stack, nowhere, pinned_availability_zone="nova")
        assert answer.status == 409

    async def test_readers_may_not(self, stack: Stack) -> None:
        server_id = await stack.server()
        body = {"server": {"name": "x"}}
        answer = await stack.call("PUT", f"/servers/{server_id}", body, user="reader")
        assert answer.status == 403

"""The volume stand-in: volumes, snapshots and types as the clients use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.standins.conftest import Answer, Cloud

V3 = "/volume/v3"
CREATED = {
    "attachments", "availability_zone", "bootable", "consistencygroup_id", "created_at",
    "description", "encrypted", "id", "links", "metadata", "multiattach", "name",
    "replication_status", "size", "snapshot_id", "source_volid", "status", "updated_at", "user_id",
    "volume_type",
}  # fmt: skip
"""Fields of version 3.0 for everybody: clients check answers against closed schemas."""
FOR_ADMINS = {
    "os-vol-host-attr:host", "os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id",
    "migration_status",
}  # fmt: skip
TENANT = "os-vol-tenant-attr:tenant_id"


async def ask(
    cloud: Cloud, method: str, path: str, body: Any = None, *, v: int = 0, user: str = "demo"
) -> Answer:
    """A request at version 3.`v`."""
    headers = {"OpenStack-API-Version": f"volume 3.{v}"}
    return await cloud.call(method, V3 + path, body, user=user, headers=headers)


async def make(cloud: Cloud, *, user: str = "demo", **fields: Any) -> dict[str, Any]:
    body = {"volume": {"size": 1, **fields}}
    volume: dict[str, Any] = (await ask(cloud, "POST", "/volumes", body, user=user)).want(202)
    return dict(volume["volume"])


async def show(cloud: Cloud, volume_id: str, *, v: int = 0, user: str = "demo") -> dict[str, Any]:
    found = (await ask(cloud, "GET", f"/volumes/{volume_id}", v=v, user=user)).want(200)
    return dict(found["volume"])


async def act(cloud: Cloud, volume_id: str, action: str, arguments: Any = None, **how: Any) -> Any:
    return await ask(cloud, "POST", f"/volumes/{volume_id}/action", {action: arguments}, **how)


async def test_versions_are_told_without_a_token(cloud: Cloud) -> None:
    for path, status in (("/volume/", 300), ("/volume/v3/", 200), ("/volume/v3", 200)):
        versions = (await cloud.call("GET", path, user=None)).want(status)["versions"]
        (version,) = versions
        assert (version["id"], version["status"]) == ("v3.0", "CURRENT")
        assert (version["min_version"], version["version"]) == ("3.0", "3.71")
        assert version["links"][0]["href"] == f"{cloud.url}/volume/v3/"


async def test_the_version_asked_for_is_echoed(cloud: Cloud) -> None:
    answer = await ask(cloud, "GET", "/volumes", v=44)
    assert answer.headers["OpenStack-API-Version"] == "volume 3.44"
    assert answer.headers["Vary"] == "OpenStack-API-Version"
    names = ("x-openstack-request-id", "x-compute-request-id")
    assert len({answer.headers[name] for name in names}) == 1
    missing = await ask(cloud, "GET", "/volumes/nothing", v=44)
    assert missing.want(404) == {
        "itemNotFound": {"code": 404, "message": "Volume nothing could not be found."}
    }
    assert missing.headers["OpenStack-API-Version"] == "volume 3.44"
    (await ask(cloud, "GET", "/volumes", v=72)).want(406)
    headers = {"OpenStack-API-Version": "compute 2.90, volume latest"}
    latest = await cloud.call("GET", V3 + "/volumes", user="demo", headers=headers)
    assert latest.headers["OpenStack-API-Version"] == "volume 3.71"


async def test_a_project_may_stand_in_the_path(cloud: Cloud) -> None:
    await cloud.login("demo")
    made = await make(cloud)
    project = (await show(cloud, made["id"]))[TENANT]
    (await ask(cloud, "GET", f"/{project}/volumes/{made['id']}")).want(200)
    (await ask(cloud, "GET", f"/{'0' * 32}/volumes/{made['id']}")).want(400)


async def test_fields_appear_with_their_versions(cloud: Cloud) -> None:
    made = await make(cloud, name="v")
    assert made.keys() == CREATED
    assert made["status"] == "creating"
    expected = CREATED | {TENANT}
    since = {
        13: {"group_id"},
        48: {"service_uuid", "shared_targets"},
        63: {"volume_type_id"},
        65: {"consumes_quota"},
    }
    for v in (0, 12, 13, 21, 48, 61, 63, 64, 65, 71):
        new = {name for first, names in since.items() if first <= v for name in names}
        assert (await show(cloud, made["id"], v=v)).keys() == expected | new, v
    seen = await show(cloud, made["id"], v=61, user="admin")
    assert seen.keys() == expected | since[13] | since[48] | FOR_ADMINS | {
        "provider_id",
        "cluster_name",
    }
    shown = await show(cloud, made["id"])
    assert (shown["status"], shown["bootable"], shown["volume_type"]) == (
        "available",
        "false",
        "__DEFAULT__",
    )
    assert shown["created_at"][-1] != "Z"


async def test_lists_filter_sort_page_and_count(cloud: Cloud) -> None:
    names = ["c", "a", "b"]
    ids = {name: (await make(cloud, name=name, metadata={"n": name}))["id"] for name in names}

    async def listed(query: str, v: int = 0, path: str = "/volumes/detail") -> list[str]:
        body = (await ask(cloud, "GET", f"{path}?{query}", v=v)).want(200)
        return [volume["name"] for volume in body["volumes"]]

    assert await listed("") == ["b", "a", "c"]
    assert await listed("sort=name:asc") == ["a", "b", "c"]
    assert await listed("sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    assert await listed("name=a&unknown=1") == ["a"]
    assert await listed("name~=c&metadata={'n': 'c'}", v=34) == ["c"]
    assert await listed("bootable=true") == []
    assert await listed(f"sort=name:asc&marker={ids['a']}&limit=1") == ["b"]
    assert await listed("offset=1&limit=1") == ["a"]
    short = (await ask(cloud, "GET", "/volumes?limit=2&with_count=true", v=45)).want(200)
    assert short["count"] == 3
    assert [volume.keys() for volume in short["volumes"]] == [{"id", "name", "links"}] * 2
    next_page = short["volumes_links"][0]["href"].removeprefix(cloud.url)
    rest = (await cloud.call("GET", next_page, user="demo")).want(200)
    assert [volume["name"] for volume in rest["volumes"]] == ["c"]
    (await ask(cloud, "GET", "/volumes?sort=nothing")).want(400)


async def test_others_volumes_are_not_seen(cloud: Cloud) -> None:
    made = await make(cloud)
    await cloud.new_user("zoe")
    (await ask(cloud, "GET", f"/volumes/{made['id']}", user="zoe")).want(404)
    for user, query, count in (
        ("zoe", "?all_tenants=1", 0),
        ("admin", "", 0),
        ("admin", "?all_tenants=1", 1),
        ("admin", "?all_tenants=1&project_id=other", 0),
    ):
        body = (await ask(cloud, "GET", "/volumes/detail" + query, user=user)).want(200)
        assert len(body["volumes"]) == count, (user, query)


async def test_nulls_say_nothing_and_what_is_unknown_is_refused(cloud: Cloud) -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        ("name", "description", "imageRef", "snapshot_id", "source_volid", "volume_type",
         "availability_zone", "metadata", "multiattach", "consistencygroup_id", "backup_id")
    )  # fmt: skip
    assert (await make(cloud, **nulls))["name"] is None
    assert (await make(cloud, display_name="old", size="2"))["name"] == "old"
    for bad in (
        {"size": 0},
        {"size": "x"},
        {"size": None},
        {"volume_type": "nothing"},
        {"availability_zone": "mars"},
        {"imageRef": "nothing"},
        {"no_such": 1},
    ):
        answer = await ask(cloud, "POST", "/volumes", {"volume": {"size": 1, **bad}})
        answer.want(404 if "volume_type" in bad else 400)
    for absent in ("backup_id", "consistencygroup_id", "snapshot_id", "source_volid"):
        (await ask(cloud, "POST", "/volumes", {"volume": {absent: "x", "size": 1}})).want(404)


async def test_a_volume_remembers_its_image(cloud: Cloud) -> None:
    images = (await cloud.call("GET", "/image/v2/images?name=cirros")).want(200)["images"]
    made = await make(cloud, imageRef=images[0]["id"])
    assert made["bootable"] == "true"
    metadata = (await show(cloud, made["id"]))["volume_image_metadata"]
    assert metadata["image_id"] == images[0]["id"]
    assert metadata["image_name"] == "cirros"
    assert metadata["size"] == str(images[0]["size"])
    assert metadata["min_disk"] == "0"
    assert metadata["os_type"] == "linux"
    copy = await make(cloud, source_volid=made["id"])
    assert (await show(cloud, copy["id"]))["volume_image_metadata"] == metadata
    needs = {"name": "big", "disk_format": "raw", "container_format": "bare", "min_disk": 3}
    big = (await cloud.call("POST", "/image/v2/images", needs, user="demo")).want(201)["id"]
    body = {"volume": {"size": 2, "imageRef": big}}
    (await ask(cloud, "POST", "/volumes", body)).want(400)  # it has no data yet
    (await cloud.call("PUT", f"/image/v2/images/{big}/file", data=b"x", user="demo")).want(204)
    (await ask(cloud, "POST", "/volumes", body)).want(400)
    await make(cloud, imageRef=big, size=3)


async def test_a_volume_becomes_an_image(cloud: Cloud) -> None:
    made = await make(cloud, size=2)
    arguments = {"image_name": "of-it", "disk_format": "qcow2", "container_format": "bare"}
    answer = (await act(cloud, made["id"], "os-volume_upload_image", arguments)).want(202)
    image_id = answer["os-volume_upload_image"]["image_id"]
    image = (await cloud.call("GET", f"/image/v2/images/{image_id}", user="demo")).want(200)
    assert (image["name"], image["status"], image["virtual_size"]) == ("of-it", "active", 2 << 30)
    await make(cloud, imageRef=image_id, size=2)
    (await ask(cloud, "POST", "/volumes", {"volume": {"size": 1, "imageRef": image_id}})).want(400)


async def test_metadata_of_volumes_and_snapshots(cloud: Cloud) -> None:
    volume = await make(cloud, metadata={"a": "1"})
    snapshot = await snap(cloud, volume["id"], metadata={"a": "1"})
    for path in (f"/volumes/{volume['id']}/metadata", f"/snapshots/{snapshot['id']}/metadata"):
        merged = await ask(cloud, "POST", path, {"metadata": {"b": "2"}})
        assert merged.want(200) == {"metadata": {"a": "1", "b": "2"}}
        item = await ask(cloud, "PUT", path + "/b", {"meta": {"b": "3"}})
        assert item.want(200) == {"meta": {"b": "3"}}
        assert (await ask(cloud, "GET", path + "/b")).want(200) == {"meta": {"b": "3"}}
        (await ask(cloud, "PUT", path + "/b", {"meta": {"c": "3"}})).want(400)
        (await ask(cloud, "DELETE", path + "/b")).want(200)
        (await ask(cloud, "DELETE", path + "/b")).want(404)
        replaced = await ask(cloud, "PUT", path, {"metadata": {"c": "d"}})
        assert replaced.want(200) == {"metadata": {"c": "d"}}
        assert (await ask(cloud, "GET", path)).want(200) == {"metadata": {"c": "d"}}
        (await ask(cloud, "PUT", path, {"metadata": {"c": 1}})).want(400)


async def snap(cloud: Cloud, volume_id: str, **fields: Any) -> dict[str, Any]:
    body = {"snapshot": {"volume_id": volume_id, **fields}}
    return dict((await ask(cloud, "POST", "/snapshots", body)).want(202)["snapshot"])


async def test_snapshots(cloud: Cloud) -> None:
    volume = await make(cloud, size=2)
    made = await snap(cloud, volume["id"], name="s")
    plain = {"id", "name", "description", "status", "size", "volume_id", "metadata", "created_at",
             "updated_at"}  # fmt: skip
    more = {f"os-extended-snapshot-attributes:{name}" for name in ("progress", "project_id")}
    assert made.keys() == plain
    path = f"/snapshots/{made['id']}"
    shown = (await ask(cloud, "GET", path)).want(200)["snapshot"]
    assert shown.keys() == plain | more
    assert (shown["status"], shown["size"]) == ("available", 2)
    newest = (await ask(cloud, "GET", path, v=71)).want(200)["snapshot"]
    assert newest.keys() == plain | more | {"group_snapshot_id", "user_id", "consumes_quota"}
    short = (await ask(cloud, "GET", f"/snapshots?volume_id={volume['id']}")).want(200)
    assert [s.keys() for s in short["snapshots"]] == [plain]
    renamed = await ask(cloud, "PUT", path, {"snapshot": {"name": "t", "description": "d"}})
    assert renamed.want(200)["snapshot"]["name"] == "t"

    (await ask(cloud, "DELETE", f"/volumes/{volume['id']}")).want(400)
    child = await make(cloud, size=None, snapshot_id=made["id"])
    assert (child["size"], child["snapshot_id"]) == (2, made["id"])
    (await ask(cloud, "POST", "/volumes", {"volume": {"size": 1, "snapshot_id": made["id"]}})).want(
        400
    )
    status = {"os-update_snapshot_status": {"status": "error", "progress": "50%"}}
    (await ask(cloud, "POST", path + "/action", status)).want(403)
    (await ask(cloud, "POST", path + "/action", status, user="admin")).want(400)
    reset = {"os-reset_status": {"status": "creating"}}
    (await ask(cloud, "POST", path + "/action", reset, user="admin")).want(202)
    (await ask(cloud, "POST", path + "/action", status, user="admin")).want(202)
    assert (await ask(cloud, "GET", path)).want(200)["snapshot"]["status"] == "error"
    (await ask(cloud, "DELETE", path)).want(202)
    (await ask(cloud, "GET", path)).want(404)
    await snap(cloud, volume["id"])
    (await ask(cloud, "DELETE", f"/volumes/{volume['id']}?cascade=True")).want(202)
    assert (await ask(cloud, "GET", "/snapshots/detail")).want(200) == {"snapshots": []}


async def test_what_is_done_to_a_volume(cloud: Cloud) -> None:
    volume_id = (await make(cloud))["id"]
    (await act(cloud, volume_id, "os-extend", {"new_size": 1})).want(400)
    (await act(cloud, volume_id, "os-extend", {"new_size": 3})).want(202)
    (await act(cloud, volume_id, "os-set_bootable", {"bootable": True})).want(200)
    (await act(cloud, volume_id, "os-update_readonly_flag", {"readonly": True})).want(202)
    shown = await show(cloud, volume_id)
    assert (shown["size"], shown["bootable"]) == (3, "true")
    assert shown["metadata"] == {"readonly": "True"}
    update = {"volume": {"name": "new", "metadata": {"a": "b"}}}
    updated = (await ask(cloud, "PUT", f"/volumes/{volume_id}", update)).want(200)["volume"]
    assert (updated["name"], updated["metadata"]["a"]) == ("new", "b")
    assert updated.keys() == CREATED
    set_image = {"metadata": {"k": "v"}}
    for action, arguments, metadata in (
        ("os-set_image_metadata", set_image, {"metadata": {"k": "v"}}),
        ("os-show_image_metadata", None, {"metadata": {"k": "v"}}),
        ("os-unset_image_metadata", {"key": "k"}, b""),
        ("os-show_image_metadata", {}, {"metadata": {}}),
    ):
        assert (await act(cloud, volume_id, action, arguments)).want(200) == metadata
    (await act(cloud, volume_id, "os-reset_status", {"status": "error"})).want(403)
    (await act(cloud, volume_id, "os-reset_status", {"status": "error"}, user="admin")).want(202)
    (await act(cloud, volume_id, "os-extend", {"new_size": 4})).want(400)
    (await act(cloud, volume_id, "no-such-action")).want(400)
    (await act(cloud, volume_id, "os-reimage", {"image_id": "x"}, v=67)).want(400)
    (await act(cloud, volume_id, "os-force_delete", {}, user="admin")).want(202)
    (await ask(cloud, "GET", f"/volumes/{volume_id}")).want(404)


async def test_types(cloud: Cloud) -> None:
    types = (await ask(cloud, "GET", "/types?is_public=none")).want(200)["volume_types"]
    assert {t["name"] for t in types} == {"__DEFAULT__", "multiattach"}
    assert types[0].keys() == {
        "id", "name", "description", "is_public", "extra_specs", "qos_specs_id",
        "os-volume-type-access:is_public",
    }  # fmt: skip
    default = (await ask(cloud, "GET", "/types/default")).want(200)["volume_type"]
    assert default["name"] == "__DEFAULT__"
    body = {
        "volume_type": {
            "name": "own",
            "extra_specs": {"multiattach": "<is> True"},
            "os-volume-type-access:is_public": False,
        }
    }
    (await ask(cloud, "POST", "/types", body)).want(403)
    made = (await ask(cloud, "POST", "/types", body, user="admin")).want(200)["volume_type"]
    assert "qos_specs_id" not in made
    path = f"/types/{made['id']}"
    (await ask(cloud, "GET", path)).want(404)
    project = (await show(cloud, (await make(cloud))["id"]))[TENANT]
    access = {"addProjectAccess": {"project": project}}
    (await ask(cloud, "POST", path + "/action", access, user="admin")).want(202)
    (await ask(cloud, "POST", path + "/action", access, user="admin")).want(409)
    granted = (await ask(cloud, "GET", path + "/os-volume-type-access", user="admin")).want(200)
    assert granted["volume_type_access"] == [{"volume_type_id": made["id"], "project_id": project}]

    shared = await make(cloud, volume_type="own")
    assert shared["multiattach"] is True
    (await ask(cloud, "DELETE", path, user="admin")).want(400)
    spec = {"extra_specs": {"a": "b"}}
    assert (await ask(cloud, "POST", path + "/extra_specs", spec, user="admin")).want(200) == spec
    one = await ask(cloud, "PUT", path + "/extra_specs/a", {"a": "c"}, user="admin")
    assert one.want(200) == {"a": "c"}
    (await ask(cloud, "DELETE", path + "/extra_specs/a", user="admin")).want(202)
    (await ask(cloud, "GET", path + "/extra_specs/a", user="admin")).want(404)

    retype = {"new_type": "__DEFAULT__", "migration_policy": "never"}
    (await act(cloud, shared["id"], "os-retype", retype)).want(202)
    shown = await show(cloud, shared["id"])
    assert (shown["volume_type"], shown["multiattach"]) == ("__DEFAULT__", False)
    (await ask(cloud, "DELETE", path, user="admin")).want(202)
    again = (await ask(cloud, "POST", "/types", body, user="admin")).want(200)
    assert again["volume_type"]["id"] != made["id"]


async def test_an_encrypted_type_makes_encrypted_volumes(cloud: Cloud) -> None:
    body = {"volume_type": {"name": "secret"}}
    made = (await ask(cloud, "POST", "/types", body, user="admin")).want(200)["volume_type"]
    path = f"/types/{made['id']}/encryption"
    encryption = {"encryption": {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256}}
    (await ask(cloud, "POST", path, encryption, user="admin")).want(200)
    volume = await make(cloud, volume_type="secret")
    assert volume["encrypted"] is True
    shown = await show(cloud, volume["id"], v=64)
    keys = (await ask(cloud, "GET", f"/volumes/{volume['id']}/encryption")).want(200)
    assert keys["encryption_key_id"] == shown["encryption_key_id"]
    assert (keys["provider"], keys["control_location"]) == ("luks", "front-end")


async def test_quotas_and_limits(cloud: Cloud) -> None:
    project = (await show(cloud, (await make(cloud, size=2))["id"]))[TENANT]
    path = f"/os-quota-sets/{project}"
    limits = {"quota_set": {"volumes": 2, "gigabytes": "10", "volumes_multiattach": 0}}
    (await ask(cloud, "PUT", path, limits)).want(403)
    (await ask(cloud, "PUT", path, limits, user="admin")).want(200)
    for over in ({"size": 9}, {"size": 1, "volume_type": "multiattach"}):
        answer = (await ask(cloud, "POST", "/volumes", {"volume": over})).want(413)
        assert answer["overLimit"]["code"] == 413
    second = await make(cloud)
    (await ask(cloud, "POST", "/volumes", {"volume": {"size": 1}})).want(413)
    (await act(cloud, second["id"], "os-extend", {"new_size": 9})).want(413)
    used = (await ask(cloud, "GET", path + "?usage=True")).want(200)["quota_set"]
    assert used["volumes"] == {"limit": 2, "in_use": 2, "reserved": 0}
    assert used["gigabytes"] == {"limit": 10, "in_use": 3, "reserved": 0}
    absolute = (await ask(cloud, "GET", "/limits")).want(200)["limits"]["absolute"]
    assert len(absolute) == 10
    assert (absolute["maxTotalVolumes"], absolute["totalGigabytesUsed"]) == (2, 3)
    defaults = (await ask(cloud, "GET", path + "/defaults")).want(200)["quota_set"]
    assert (await ask(cloud, "DELETE", path, user="admin")).want(200) == b""
    assert (await ask(cloud, "GET", path)).want(200)["quota_set"] == defaults
    bad = {"quota_set": {"no_such": 1}}
    (await ask(cloud, "PUT", path, bad, user="admin")).want(400)


@pytest.mark.parametrize(
    ("path", "name", "v"),
    [
        ("/backups/detail", "backups", 0),
        ("/os-volume-transfer", "transfers", 0),
        ("/qos-specs", "qos_specs", 0),
        ("/messages", "messages", 3),
        ("/groups", "groups", 13),
    ],
)
async def test_there_is_none_of_some_things(cloud: Cloud, path: str, name: str, v: int) -> None:
    assert (await ask(cloud, "GET", path, v=v, user="admin")).want(200) == {name: []}
    if v:
        (await ask(cloud, "GET", path, v=v - 1, user="admin")).want(404)


async def test_what_the_service_says_about_itself(cloud: Cloud) -> None:
    zones = (await ask(cloud, "GET", "/os-availability-zone")).want(200)
    assert zones == {
        "availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": True}}]
    }
    services = (await ask(cloud, "GET", "/os-services", user="admin")).want(200)["services"]
    assert {s["binary"]: s["state"] for s in services} == {
        "cinder-scheduler": "up",
        "cinder-volume": "up",
    }
    assert "cluster" not in services[0]
    (await ask(cloud, "GET", "/os-services")).want(403)
    extensions = (await ask(cloud, "GET", "/extensions")).want(200)["extensions"]
    assert extensions[0].keys() == {"alias", "name", "description", "updated", "links"}


async def test_volumes_survive_a_crash(cloud: Cloud) -> None:
    made = await make(cloud, name="kept")
    before = await show(cloud, made["id"])
    await cloud.restart(abruptly=True)
    after = await show(cloud, made["id"])
    del before["links"], after["links"]  # the port is another one
    assert after == before
    types = (await ask(cloud, "GET", "/types")).want(200)["volume_types"]
    assert len(types) == 2

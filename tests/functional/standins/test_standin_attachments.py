"""The volume stand-in: attaching and detaching, as client, compute, host and volume see it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.functional.standins.conftest import Answer, Cloud
from tests.functional.standins.test_standin_volume import act, make, show
from tests.support.wait import wait_for

SERVER, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
HOST = {"host": "compute-1", "initiator": "iqn.1", "mountpoint": "/dev/vdb"}


@dataclass
class ComputeService:
    """What of compute the volume service talks to."""

    uses: dict[tuple[str, str], str] = field(default_factory=dict)
    """(server, volume) to attachment."""
    events: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False

    async def attachment(self, request: web.Request) -> web.Response:
        if self.broken:
            return web.Response(status=503)
        where = (request.match_info["server"], request.match_info["volume"])
        if where not in self.uses:
            return web.json_response({"itemNotFound": {"code": 404}}, status=404)
        return web.json_response({"volumeAttachment": {"attachment_id": self.uses[where]}})

    async def take(self, request: web.Request) -> web.Response:
        self.events += (await request.json())["events"]
        return web.json_response({"events": []})


@pytest.fixture
async def compute() -> AsyncIterator[tuple[ComputeService, str]]:
    service = ComputeService()
    app = web.Application()
    path = "/v2.1/servers/{server}/os-volume_attachments/{volume}"
    app.router.add_get(path, service.attachment)
    app.router.add_post("/v2.1/os-server-external-events", service.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield service, f"http://127.0.0.1:{runner.addresses[0][1]}/v2.1"
    await runner.cleanup()


@pytest.fixture
async def joined(
    compute: tuple[ComputeService, str], tmp_path: Path
) -> AsyncIterator[tuple[Cloud, ComputeService]]:
    """A cloud whose stand-ins know a compute service."""
    service, url = compute
    cloud = Cloud(tmp_path / "state", {"compute_public_url": url})
    await cloud.start()
    await cloud.login("muster", project="service")
    yield cloud, service
    await cloud.stop()


async def ask(
    cloud: Cloud, method: str, path: str, body: Any = None, *, as_service: bool = True, **how: Any
) -> Answer:
    """A request of compute itself, whose own token goes along."""
    headers = {"OpenStack-API-Version": f"volume 3.{how.pop('v', 54)}"}
    if as_service:
        headers["X-Service-Token"] = cloud.tokens["muster"]
    user = how.pop("user", "muster")
    return await cloud.call(method, "/volume/v3" + path, body, user=user, headers=headers)


async def attach(cloud: Cloud, volume_id: str, server: str = SERVER, **fields: Any) -> Answer:
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server, **fields}}
    return await ask(cloud, "POST", "/attachments", body)


async def attach_all_the_way(cloud: Cloud, volume_id: str, server: str = SERVER) -> str:
    made = (await attach(cloud, volume_id, server, connector=HOST)).want(200)["attachment"]["id"]
    path = f"/attachments/{made}/action"
    (await ask(cloud, "POST", path, {"os-complete": {}})).want(204)
    return str(made)


async def status_of(cloud: Cloud, volume_id: str) -> str:
    return str((await show(cloud, volume_id))["status"])


async def test_attaching_and_detaching(joined: tuple[Cloud, ComputeService]) -> None:
    cloud, _ = joined
    volume = (await make(cloud))["id"]
    made = (await attach(cloud, volume)).want(200)["attachment"]
    assert made.keys() == {"id", "status", "instance", "volume_id", "attach_mode", "attached_at",
                           "detached_at", "connection_info"}  # fmt: skip
    assert (made["status"], made["instance"], made["connection_info"]) == ("reserved", SERVER, {})
    assert await status_of(cloud, volume) == "reserved"
    assert (await show(cloud, volume))["attachments"] == []
    (await ask(cloud, "DELETE", f"/volumes/{volume}", user="demo")).want(400)
    path = f"/attachments/{made['id']}"
    (await ask(cloud, "POST", path + "/action", {"no-such": {}})).want(400)

    body = {"attachment": {"connector": HOST}}
    connected = (await ask(cloud, "PUT", path, body)).want(200)["attachment"]
    info = connected["connection_info"]
    assert (info["driver_volume_type"], info["volume_id"]) == ("standin", volume)
    assert (info["attachment_id"], info["access_mode"]) == (made["id"], "rw")
    assert await status_of(cloud, volume) == "attaching"
    for _ in range(2):
        (await ask(cloud, "POST", path + "/action", {"os-complete": {}})).want(204)
    shown = await show(cloud, volume)
    assert shown["status"] == "in-use"
    (attached,) = shown["attachments"]
    assert attached.keys() == {"id", "attachment_id", "volume_id", "server_id", "host_name",
                               "device", "attached_at"}  # fmt: skip
    assert (attached["id"], attached["attachment_id"]) == (volume, made["id"])
    assert (attached["server_id"], attached["device"]) == (SERVER, "/dev/vdb")
    assert attached["host_name"] is None
    seen = await show(cloud, volume, user="admin")
    assert seen["attachments"][0]["host_name"] == "compute-1"
    listed = (await ask(cloud, "GET", "/attachments", user="demo")).want(200)["attachments"]
    assert listed == [
        {"id": made["id"], "status": "attached", "instance": SERVER, "volume_id": volume}
    ]
    assert (await ask(cloud, "GET", "/attachments")).want(200) == {"attachments": []}
    query = f"/attachments/detail?all_tenants=1&instance_id={SERVER}&volume_id={volume}"
    assert len((await ask(cloud, "GET", query)).want(200)["attachments"]) == 1

    (await act(cloud, volume, "os-begin_detaching")).want(202)
    assert await status_of(cloud, volume) == "detaching"
    (await act(cloud, volume, "os-begin_detaching")).want(400)
    for _ in range(2):
        (await act(cloud, volume, "os-roll_detaching", {})).want(202)
        assert await status_of(cloud, volume) == "in-use"
    (await act(cloud, volume, "os-begin_detaching")).want(202)
    assert (await ask(cloud, "DELETE", path)).want(200) == {"attachments": []}
    assert await status_of(cloud, volume) == "available"
    (await ask(cloud, "DELETE", path)).want(404)


async def test_a_server_without_a_host_has_its_volumes(
    joined: tuple[Cloud, ComputeService],
) -> None:
    cloud, _ = joined
    volume = (await make(cloud))["id"]
    made = (await attach(cloud, volume)).want(200)["attachment"]["id"]
    path = f"/attachments/{made}"
    (await ask(cloud, "POST", path + "/action", {"os-complete": {}})).want(204)
    shown = await show(cloud, volume, user="admin")
    assert (shown["status"], shown["attachments"][0]["host_name"]) == ("in-use", None)
    (await ask(cloud, "PUT", path, {"attachment": {"connector": HOST}})).want(200)
    assert await status_of(cloud, volume) == "in-use"
    (await ask(cloud, "DELETE", path)).want(200)


async def test_attachments_come_with_their_versions(joined: tuple[Cloud, ComputeService]) -> None:
    cloud, _ = joined
    (await ask(cloud, "GET", "/attachments", v=26)).want(404)
    volume = (await make(cloud))["id"]
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": SERVER, "mode": "ro"}}
    (await ask(cloud, "POST", "/attachments", body, v=53)).want(400)
    made = (await ask(cloud, "POST", "/attachments", body, v=54)).want(200)["attachment"]
    assert made["attach_mode"] == "ro"
    path = f"/attachments/{made['id']}/action"
    (await ask(cloud, "POST", path, {"os-complete": {}}, v=43)).want(404)


async def test_only_one_server_unless_the_volume_is_shared(
    joined: tuple[Cloud, ComputeService],
) -> None:
    cloud, _ = joined
    volume = (await make(cloud))["id"]
    first = await attach_all_the_way(cloud, volume)
    (await attach(cloud, volume, OTHER)).want(400)
    # The same server again, through the host it moves to.
    second = (await attach(cloud, volume, connector={"host": "compute-2"})).want(200)["attachment"]
    assert await status_of(cloud, volume) == "in-use"
    (await ask(cloud, "DELETE", f"/attachments/{first}")).want(200)
    assert await status_of(cloud, volume) == "attaching"
    path = f"/attachments/{second['id']}/action"
    (await ask(cloud, "POST", path, {"os-complete": {}})).want(204)
    assert await status_of(cloud, volume) == "in-use"

    shared = (await make(cloud, volume_type="multiattach"))["id"]
    await attach_all_the_way(cloud, shared)
    other = await attach_all_the_way(cloud, shared, OTHER)
    servers = {a["server_id"] for a in (await show(cloud, shared))["attachments"]}
    assert servers == {SERVER, OTHER}
    (await ask(cloud, "DELETE", f"/attachments/{other}")).want(200)
    assert await status_of(cloud, shared) == "in-use"


async def test_a_read_only_volume_is_attached_so(joined: tuple[Cloud, ComputeService]) -> None:
    cloud, _ = joined
    volume = (await make(cloud))["id"]
    (await act(cloud, volume, "os-update_readonly_flag", {"readonly": True})).want(202)
    made = (await attach(cloud, volume, mode="rw")).want(200)["attachment"]
    assert made["attach_mode"] == "ro"


async def test_what_compute_uses_only_a_service_takes_away(
    joined: tuple[Cloud, ComputeService],
) -> None:
    cloud, compute = joined
    volume = (await make(cloud))["id"]
    made = await attach_all_the_way(cloud, volume)
    compute.uses[SERVER, volume] = made
    connector = {"connector": HOST}
    path = f"/attachments/{made}"
    # A user's own token is no service token, and a made up one is none at all.
    headers = {"OpenStack-API-Version": "volume 3.54", "X-Service-Token": cloud.tokens["demo"]}
    by_user = await cloud.call("DELETE", "/volume/v3" + path, user="demo", headers=headers)
    by_user.want(409)
    headers["X-Service-Token"] = "made-up"
    (await cloud.call("DELETE", "/volume/v3" + path, user="demo", headers=headers)).want(401)
    for user in ("demo", "admin"):
        answer = await ask(cloud, "DELETE", path, user=user, as_service=False)
        assert "conflictingRequest" in answer.want(409)
    for action, arguments, user in (
        ("os-detach", {}, "demo"),
        ("os-terminate_connection", connector, "demo"),
        ("os-force_detach", {"attachment_id": made}, "admin"),
    ):
        (await act(cloud, volume, action, arguments, user=user)).want(409)
    compute.broken = True
    (await ask(cloud, "DELETE", path, user="demo", as_service=False)).want(409)
    (await ask(cloud, "DELETE", path)).want(200)
    # An attachment that compute does not know may go: nobody uses it.
    compute.broken = False
    left = await attach_all_the_way(cloud, volume)
    (await ask(cloud, "DELETE", f"/attachments/{left}", user="demo", as_service=False)).want(200)
    assert await status_of(cloud, volume) == "available"


async def test_compute_hears_of_volumes_that_change(joined: tuple[Cloud, ComputeService]) -> None:
    cloud, compute = joined
    volume = (await make(cloud))["id"]
    made = await attach_all_the_way(cloud, volume)
    (await act(cloud, volume, "os-extend", {"new_size": 2}, v=41)).want(400)
    (await act(cloud, volume, "os-extend", {"new_size": 2}, v=42)).want(202)
    extended = {"name": "volume-extended", "server_uuid": SERVER, "tag": volume}
    await wait_for(lambda: compute.events == [extended], what="volume-extended")
    assert (await show(cloud, volume))["status"] == "in-use"

    # A rebuild keeps the volume by an attachment without a host while its image is written anew.
    kept = (await attach(cloud, volume)).want(200)["attachment"]["id"]
    (await ask(cloud, "DELETE", f"/attachments/{made}")).want(200)
    assert await status_of(cloud, volume) == "reserved"
    images = (await cloud.call("GET", "/image/v2/images?name=cirros")).want(200)["images"]
    arguments = {"image_id": images[0]["id"], "reimage_reserved": False}
    (await act(cloud, volume, "os-reimage", arguments, v=68)).want(400)
    arguments["reimage_reserved"] = True
    (await act(cloud, volume, "os-reimage", arguments, v=68)).want(202)
    reimaged = {**extended, "name": "volume-reimaged"}
    await wait_for(lambda: compute.events == [extended, reimaged], what="volume-reimaged")
    shown = await show(cloud, volume)
    assert shown["status"] == "reserved"
    assert shown["volume_image_metadata"]["image_id"] == images[0]["id"]
    (await ask(cloud, "DELETE", f"/attachments/{kept}")).want(200)


async def test_the_older_actions_lead_to_the_same(joined: tuple[Cloud, ComputeService]) -> None:
    cloud, _ = joined
    volume = (await make(cloud))["id"]
    (await act(cloud, volume, "os-reserve")).want(202)
    (await act(cloud, volume, "os-reserve")).want(400)
    (await act(cloud, volume, "os-unreserve")).want(202)
    (await act(cloud, volume, "os-reserve")).want(202)
    connected = (await act(cloud, volume, "os-initialize_connection", {"connector": HOST})).want(
        200
    )["connection_info"]
    assert connected["data"]["volume_id"] == volume
    arguments = {"instance_uuid": SERVER, "mountpoint": "/dev/vdc", "mode": "rw"}
    (await act(cloud, volume, "os-attach", arguments)).want(202)
    (attached,) = (await show(cloud, volume))["attachments"]
    assert (attached["server_id"], attached["device"]) == (SERVER, "/dev/vdc")
    (await act(cloud, volume, "os-terminate_connection", {"connector": HOST})).want(202)
    (await act(cloud, volume, "os-detach", {})).want(202)
    assert await status_of(cloud, volume) == "available"
    forced = await attach_all_the_way(cloud, volume)
    arguments = {"attachment_id": forced}
    (await act(cloud, volume, "os-force_detach", arguments)).want(403)
    (await act(cloud, volume, "os-force_detach", arguments, user="admin")).want(202)
    assert await status_of(cloud, volume) == "available"


async def test_a_swap_by_compute_keeps_the_new_volume(
    joined: tuple[Cloud, ComputeService],
) -> None:
    cloud, _ = joined
    old, new = (await make(cloud))["id"], (await make(cloud))["id"]
    for error, kept in ((False, new), (True, old)):
        arguments = {"new_volume": new, "error": error}
        answer = await act(cloud, old, "os-migrate_volume_completion", arguments, user="admin")
        assert answer.want(200) == {"save_volume_id": kept}

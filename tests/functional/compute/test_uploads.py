"""A host sends a guest's disk to the image service, and what may happen meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from common.messages.compute import HostReply
from services.compute.drivers.simulated.driver import SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNKS
from services.compute.faults import Effect, FaultRule
from tests.functional.standins.conftest import Cloud
from tests.integration.compute.support import Life, Rig, code, new_uuid
from tests.support.wait import wait_for

IMAGES = "/image/v2/images"
VERB = "upload_snapshot"


async def queued_image(cloud: Cloud, **fields: Any) -> str:
    of_server = {"instance_uuid": new_uuid()}
    body = {"name": "i", "disk_format": "raw", "container_format": "bare", **of_server, **fields}
    return str((await cloud.call("POST", IMAGES, body)).want(201)["id"])


async def image(cloud: Cloud, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await cloud.call("GET", f"{IMAGES}/{image_id}")).want(200)
    return found


async def assert_whole(cloud: Cloud, image_id: str, server: str) -> None:
    found = await image(cloud, image_id)
    assert (found["status"], found["size"]) == ("active", SNAPSHOT_CHUNK_BYTES * SNAPSHOT_CHUNKS)
    data = (await cloud.call("GET", f"{IMAGES}/{image_id}/file")).want(200)
    assert data.startswith(f"muster-simulated-image {server} 1\n".encode())
    assert len(data) == found["size"]


class Halted:
    """Lets a life's uploads stop after their first chunk until `go_on` is set."""

    def __init__(self, life: Life) -> None:
        self.go_on = asyncio.Event()
        self.halted = asyncio.Event()
        whole = life.driver().snapshot

        async def snapshot(uuid: str, generation: int) -> AsyncIterator[bytes]:
            async for chunk in whole(uuid, generation):
                yield chunk
                self.halted.set()
                await self.go_on.wait()

        life.driver().snapshot = snapshot  # type: ignore[method-assign]


async def until_done(rig: Rig, server: str, image_id: str, **kwargs: Any) -> HostReply:
    """As a conductor: again while the host says that it may work later."""
    while True:
        reply = await rig.conductor.tell(VERB, server, image_id=image_id, **kwargs)
        if code(reply) != "unavailable":
            return reply


async def test_the_disk_becomes_the_image_once(rig: Rig, cloud: Cloud) -> None:
    await rig.start()
    server = await rig.conductor.spawn()
    image_id = await queued_image(cloud)
    reply = await rig.conductor.tell(VERB, server, image_id=image_id)
    assert (reply.error, reply.power_state, reply.result) == (None, 1, {})
    await assert_whole(cloud, image_id, server)
    before = await image(cloud, image_id)
    assert code(await rig.conductor.tell(VERB, server, image_id=image_id)) is None
    assert await image(cloud, image_id) == before


async def test_a_host_says_what_its_data_is(rig: Rig) -> None:
    await rig.start()
    reply = await rig.conductor.tell("snapshot_format", "", generation=0)
    assert (reply.error, reply.result) == (None, {"disk_format": "raw"})


async def test_an_agent_killed_in_the_middle_begins_again(rig: Rig, cloud: Cloud) -> None:
    life = await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    halted = Halted(life)
    answer = asyncio.ensure_future(until_done(rig, server, image_id))
    await halted.halted.wait()
    await wait_for(lambda: is_in(cloud, image_id, "saving"))
    await rig.kill(life)
    await rig.start()
    assert code(await answer) is None
    await assert_whole(cloud, image_id, server)


async def is_in(cloud: Cloud, image_id: str, status: str) -> bool:
    return bool((await image(cloud, image_id))["status"] == status)


async def test_an_image_service_killed_in_the_middle(rig: Rig, cloud: Cloud) -> None:
    life = await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    halted = Halted(life)
    cloud.overrides["listen_port"] = cloud.service.port
    first = asyncio.ensure_future(rig.conductor.tell(VERB, server, image_id=image_id))
    await halted.halted.wait()
    await wait_for(lambda: is_in(cloud, image_id, "saving"))
    await cloud.restart(abruptly=True)
    halted.go_on.set()
    assert code(await first) == "unavailable"
    assert code(await until_done(rig, server, image_id)) is None
    await assert_whole(cloud, image_id, server)


async def test_a_repeat_beside_a_running_upload_waits(rig: Rig, cloud: Cloud) -> None:
    """An image of which another host's, or an earlier life's, upload is still open."""
    life = await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    halted = Halted(life)
    first = asyncio.ensure_future(rig.conductor.tell(VERB, server, image_id=image_id))
    await halted.halted.wait()
    await wait_for(lambda: is_in(cloud, image_id, "saving"))
    other = await rig.start(host_name="compute-2")
    there = await rig.conductor.spawn("compute-2")
    reply = await rig.conductor.tell(VERB, there, image_id=image_id, host="compute-2")
    assert code(reply) == "unavailable"
    assert "being uploaded already" in str(reply.error)
    halted.go_on.set()
    assert code(await first) is None
    await assert_whole(cloud, image_id, server)
    await rig.stop(other)


async def test_a_delete_ends_an_upload(rig: Rig, cloud: Cloud) -> None:
    life = await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    halted = Halted(life)
    upload = asyncio.ensure_future(rig.conductor.tell(VERB, server, image_id=image_id))
    await halted.halted.wait()
    assert code(await rig.conductor.tell("destroy", server)) is None
    assert code(await upload) == "conflict"
    await wait_for(lambda: is_in(cloud, image_id, "queued"))


async def test_what_is_not_there(rig: Rig, cloud: Cloud) -> None:
    await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    gone = new_uuid()
    reply = await rig.conductor.tell(VERB, server, image_id=gone)
    assert code(reply) == "not_found"
    assert f"image {gone} is gone" in str(reply.error)
    reply = await rig.conductor.tell(VERB, new_uuid(), image_id=image_id)
    assert code(reply) == "not_found"
    assert "no such guest" in str(reply.error)
    reply = await rig.conductor.tell(VERB, server, generation=2, image_id=image_id)
    assert code(reply) == "not_found"
    reply = await rig.conductor.tell(VERB, server)
    assert code(reply) == "invalid_input"
    assert "params.image_id is missing" in str(reply.error)
    assert await is_in(cloud, image_id, "queued")


async def test_an_image_that_takes_no_data(rig: Rig, cloud: Cloud) -> None:
    await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    (await cloud.call("PUT", f"{IMAGES}/{image_id}/file", data=b"x")).want(204)
    (await cloud.call("POST", f"{IMAGES}/{image_id}/actions/deactivate")).want(204)
    assert code(await rig.conductor.tell(VERB, server, image_id=image_id)) == "conflict"


async def test_an_image_service_out_of_reach(rig: Rig, cloud: Cloud) -> None:
    rig.sections["neighbours"] = {"image_endpoint": "http://127.0.0.1:9", "attempts": 1}
    await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    assert code(await rig.conductor.tell(VERB, server, image_id=image_id)) == "unavailable"


@pytest.mark.parametrize(
    ("effect", "reported", "status"),
    [
        (Effect.ERROR, "host_command_failed", "queued"),
        (Effect.REPORTED_DONE_BUT_LOST, None, "queued"),
        (Effect.DONE_BUT_REPORTED_FAILED, "host_command_failed", "active"),
        (Effect.DELAY, None, "active"),
        (Effect.DUPLICATE_REPLY, None, "active"),
    ],
)
async def test_fault_rules(
    rig: Rig, cloud: Cloud, effect: Effect, reported: str | None, status: str
) -> None:
    life = await rig.start()
    server, image_id = await rig.conductor.spawn(), await queued_image(cloud)
    rule = life.service.faults.add(FaultRule(effect=effect, verb=VERB, delay_s=0.01, count=1))
    assert code(await rig.conductor.tell(VERB, server, image_id=image_id)) == reported
    assert life.service.faults.fired(rule.id) == 1
    assert await is_in(cloud, image_id, status)

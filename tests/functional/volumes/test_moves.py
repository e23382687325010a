"""Volumes follow their server: one attachment at a time counts, and it is the present host's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.functional.volumes.support import (
    active,
    attach,
    gone,
    running,
    volume_backed,
    volumes_of,
)
from tests.functional.workflows.test_every_step import Fault, force_down, force_down_ended
from tests.support.cluster import Cluster

Make = Callable[[Cluster], Awaitable[str]]


async def on_volume(cluster: Cluster) -> str:
    return await volume_backed(cluster)


async def with_data(cluster: Cluster) -> str:
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    assert (await attach(cluster, server_id, volume_id, delete_on_termination=True))[0] == 200
    await cluster.settled(server_id)
    return server_id


BOTH = pytest.mark.parametrize("make", [on_volume, with_data])


async def act(cluster: Cluster, server_id: str, body: dict[str, Any]) -> dict[str, Any]:
    await cluster.action(server_id, body)
    server = await cluster.settled(server_id)
    assert server is not None
    return server


async def where(cluster: Cluster, server_id: str) -> tuple[str | None, str | None]:
    """The server's host, and the one its only volume is connected to."""
    (volume_id,) = await volumes_of(cluster, server_id)
    attachments = [a for a in await cluster.volumes.attachments() if a["volume_id"] == volume_id]
    assert len(attachments) == 1, attachments
    connected = attachments[0]["connection_info"].get("host")
    return (await cluster.row(server_id))["host"], connected


@BOTH
async def test_a_cold_move(cluster: Cluster, make: Make) -> None:
    server_id = await make(cluster)
    before = await where(cluster, server_id)
    server = await act(cluster, server_id, {"migrate": None})
    assert server["status"] == "VERIFY_RESIZE", server
    there = await where(cluster, server_id)
    assert there[0] == there[1] != before[0]
    await cluster.assert_sound()
    await act(cluster, server_id, {"revertResize": None})
    await active(cluster, server_id)
    assert await where(cluster, server_id) == before
    await cluster.assert_sound()
    await act(cluster, server_id, {"migrate": None})
    await cluster.action(server_id, {"confirmResize": None}, 204)
    await active(cluster, server_id)
    assert (await where(cluster, server_id))[0] != before[0]
    await cluster.assert_sound()


@BOTH
async def test_a_live_move(cluster: Cluster, make: Make) -> None:
    server_id = await make(cluster)
    before = await where(cluster, server_id)
    await act(cluster, server_id, {"os-migrateLive": {"host": None, "block_migration": "auto"}})
    await active(cluster, server_id)
    there = await where(cluster, server_id)
    assert there[0] == there[1] != before[0]
    await cluster.assert_sound()


@BOTH
async def test_an_evacuation(cluster: Cluster, make: Make) -> None:
    server_id = await make(cluster)
    before = await where(cluster, server_id)
    host = before[0]
    assert host is not None
    await cluster.kill(host)
    try:
        await force_down(cluster, host)
        await cluster.action(server_id, {"evacuate": {}}, 200)
        await active(cluster, server_id)
        there = await where(cluster, server_id)
        assert there[0] == there[1] != host
    finally:
        await cluster.start_host(host)
        await force_down_ended(cluster, host)
    await cluster.assert_sound()


@BOTH
async def test_shelved_and_back(cluster: Cluster, make: Make) -> None:
    server_id = await make(cluster)
    server = await act(cluster, server_id, {"shelve": None})
    assert server["status"] == "SHELVED_OFFLOADED", server
    (volume_id,) = await volumes_of(cluster, server_id)
    assert await cluster.volumes.status(volume_id) == "reserved", "nobody else can take it"
    assert await where(cluster, server_id) == (None, None)
    assert "shelved_image_id" not in (await cluster.row(server_id))["system_metadata"] or (
        make is with_data
    )
    await cluster.assert_sound()
    await act(cluster, server_id, {"unshelve": None})
    await active(cluster, server_id)
    there = await where(cluster, server_id)
    assert there[0] == there[1] is not None
    await cluster.assert_sound()


async def test_a_server_on_a_volume_is_offloaded_whatever_the_time(cluster: Cluster) -> None:
    await cluster.stop_member("conductor")
    await cluster.start_conductor(conductor={"shelved_offload_time_s": -1})
    server_id = await volume_backed(cluster)
    server = await act(cluster, server_id, {"shelve": None})
    assert server["status"] == "SHELVED_OFFLOADED", server
    await gone(cluster, server_id)
    await cluster.stop_member("conductor")
    await cluster.start_conductor()


@BOTH
async def test_delete_while_shelved(cluster: Cluster, make: Make) -> None:
    server_id = await make(cluster)
    await act(cluster, server_id, {"shelve": None})
    (volume_id,) = await volumes_of(cluster, server_id)
    await gone(cluster, server_id)
    await cluster.volumes.becomes(volume_id, None)


async def test_a_volume_comes_and_goes_without_a_host(cluster: Cluster) -> None:
    server_id = await running(cluster)
    await act(cluster, server_id, {"shelve": None})
    volume_id = await cluster.volumes.make()
    status, body = await attach(cluster, server_id, volume_id, version="2.19")
    assert status == 409, body
    assert (await attach(cluster, server_id, volume_id))[0] == 200
    await cluster.settled(server_id)
    shown = await cluster.volumes.show(volume_id)
    assert shown["status"] == "in-use"
    assert [use["server_id"] for use in shown["attachments"]] == [server_id]
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert (await cluster.request("DELETE", path))[0] == 202
    await cluster.settled(server_id)
    assert await cluster.volumes.status(volume_id) == "available"
    assert (await attach(cluster, server_id, volume_id))[0] == 200
    await act(cluster, server_id, {"unshelve": None})
    await active(cluster, server_id)
    assert await cluster.volumes.status(volume_id) == "in-use"
    await act(cluster, server_id, {"shelve": None})
    assert (await cluster.request("DELETE", path))[0] == 202
    await cluster.settled(server_id)
    assert await cluster.volumes.status(volume_id) == "available"
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    request_id = body["instanceActions"][0]["request_id"]
    path = f"/servers/{server_id}/os-instance-actions/{request_id}"
    _, body = await cluster.request("GET", path)
    assert [e["event"] for e in body["instanceAction"]["events"]] == ["api_detach_volume"]
    await cluster.assert_sound()


@BOTH
async def test_a_hard_reboot_connects_anew_what_a_failure_has_left(
    cluster: Cluster, make: Make
) -> None:
    fault = Fault()
    server_id = await make(cluster)
    before = await where(cluster, server_id)
    await act(cluster, server_id, {"migrate": None})
    await cluster.stop_member("conductor")
    broken = fault.definitions("revert_resize", drop=fault.failing("after"))
    await cluster.start_conductor(definitions=broken)
    server = await act(cluster, server_id, {"revertResize": None})
    assert server["status"] == "ERROR", server
    await act(cluster, server_id, {"reboot": {"type": "HARD"}})
    await active(cluster, server_id)
    assert await where(cluster, server_id) == before
    await cluster.assert_sound()
    await cluster.stop_member("conductor")
    await cluster.start_conductor()

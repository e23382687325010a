"""What comes at the same moment, or much later than it was meant to."""

from __future__ import annotations

import asyncio
import dataclasses
from uuid import UUID

import pytest

from common.db.stores import leftovers
from common.db.stores.commit import Leftover
from services.compute.faults import Effect, FaultRule
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Step
from services.conductor.reconcilers.clean_leftovers import CLEANERS
from tests.functional.volumes.support import (
    active,
    attach,
    blank,
    detach,
    gone,
    root_of_image,
    running,
    volume_backed,
    volumes_of,
    with_volume,
)
from tests.functional.volumes.test_images import snapshot
from tests.functional.volumes.test_swap import put
from tests.functional.workflows.test_every_step import Fault, force_down, force_down_ended
from tests.support.cluster import Cluster
from tests.support.wait import wait_for


async def test_disks_that_come_at_once_have_names_of_their_own(cluster: Cluster) -> None:
    server_id = await running(cluster)
    ids = [await cluster.volumes.make() for _ in range(4)]
    answers = await asyncio.gather(*(attach(cluster, server_id, each) for each in ids))
    assert [status for status, _ in answers] == [200] * 4, answers
    await cluster.settled(server_id)
    path = f"/servers/{server_id}/os-volume_attachments"
    _, body = await cluster.request("GET", path)
    shown = {each["volumeId"]: each["device"] for each in body["volumeAttachments"]}
    assert sorted(shown.values()) == ["/dev/vdb", "/dev/vdc", "/dev/vdd", "/dev/vde"]
    assert shown == {
        answer["volumeAttachment"]["volumeId"]: answer["volumeAttachment"]["device"]
        for _, answer in answers
    }
    await cluster.assert_sound()


async def test_of_two_disks_with_the_same_name_one_comes(cluster: Cluster) -> None:
    server_id = await running(cluster)
    ids = [await cluster.volumes.make() for _ in range(2)]
    answers = await asyncio.gather(
        *(attach(cluster, server_id, each, device="/dev/vdk") for each in ids)
    )
    assert sorted(status for status, _ in answers) == [200, 409], answers
    await cluster.settled(server_id)
    await cluster.assert_sound()


async def test_a_volume_that_a_failed_build_has_freed_is_not_deleted(cluster: Cluster) -> None:
    """It is the user's again, and may have been used elsewhere since."""
    existing = await cluster.volumes.make()
    root = await root_of_image(cluster, delete_on_termination=True)
    mine = {"uuid": existing, "source_type": "volume", "delete_on_termination": True}
    server_id = await cluster.create_server(
        imageRef="", block_device_mapping_v2=[root, mine], availability_zone="nova:no-such-host"
    )
    await cluster.settled(server_id)
    other = await running(cluster)
    assert (await attach(cluster, other, existing))[0] == 200
    await cluster.settled(other)
    assert (await detach(cluster, other, existing))[0] == 202
    await cluster.settled(other)
    await gone(cluster, server_id)
    assert await cluster.volumes.status(existing) == "available"


async def test_what_is_detached_is_nobodys_leftover(cluster: Cluster) -> None:
    """A build noted that it may have made too much; what it has made has been used since."""
    disks = [
        {"uuid": await cluster.image_id(), "source_type": "image", "boot_index": 0,
         "destination_type": "local"},
        blank(delete_on_termination=False),
    ]  # fmt: skip
    server_id = await running(cluster, block_device_mapping_v2=disks)
    (made,) = await volumes_of(cluster, server_id)
    disk = await cluster.pool.fetchval("select uuid from block_devices where volume_id = $1", made)
    left = Leftover("volume", {"made_for": str(disk)}, "a run had lost its lease")
    await leftovers.add(cluster.pool, UUID(server_id), "req-x", [left])
    await cluster.pool.execute("update leftovers set due_at = now() + interval '1 hour'")
    assert (await detach(cluster, server_id, made))[0] == 202
    await cluster.settled(server_id)
    await cluster.pool.execute("update leftovers set due_at = now()")
    await cluster.assert_sound()
    assert await cluster.volumes.status(made) == "available"
    await cluster.volumes.call("DELETE", f"/volumes/{made}")


async def test_cleaning_up_leaves_a_server_alone_that_has_begun_to_move(cluster: Cluster) -> None:
    """The row was taken while the server was at rest; its second attachment is no leftover."""
    server_id, volume_id = await with_volume(cluster)
    left = Leftover("attachments", {}, "")
    await leftovers.add(cluster.pool, UUID(server_id), "req-x", [left])
    await cluster.pool.execute("update leftovers set due_at = now() + interval '1 hour'")
    (row,) = await leftovers.listing(cluster.pool)
    deps = cluster.members["conductor"].service._deps
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}}
    status, made = await cluster.volumes.call("POST", "/attachments", body)
    assert status == 200, made
    await cluster.pool.execute(
        "insert into workflows (kind, server_uuid, request_id, deadline_at, lease_expires_at)"
        " values ('live_migrate', $1::uuid, 'req-y', 'infinity', 'infinity')",
        server_id,
    )
    assert not await CLEANERS["attachments"](deps, row)
    assert len(await cluster.volumes.attachments()) == 2
    await cluster.pool.execute("delete from workflows where request_id = 'req-y'")
    assert await CLEANERS["attachments"](deps, row)
    assert len(await cluster.volumes.attachments()) == 1
    await leftovers.done(cluster.pool, row.id)


async def test_what_a_swap_has_reserved_survives_the_end_of_a_move(cluster: Cluster) -> None:
    """A move that has succeeded cleans up after itself when others may be asked for already."""
    fault, moved, go_on = Fault(), asyncio.Event(), asyncio.Event()

    def late(step: Step) -> Step:
        async def do(context: Context) -> None:
            moved.set()
            await go_on.wait()
            await step.do(context)

        return dataclasses.replace(step, do=do)

    server_id, old = await with_volume(cluster)
    new = await cluster.volumes.make()
    await cluster.stop_member("conductor")
    await cluster.start_conductor(definitions=fault.definitions("migrate", let_volumes_go=late))
    await cluster.action(server_id, {"migrate": None})
    async with asyncio.timeout(10):
        await moved.wait()
    status, body = await put(cluster, server_id, old, {"volumeId": new})
    assert status == 202, body
    go_on.set()
    await cluster.settled(server_id)
    assert await volumes_of(cluster, server_id) == [new]
    await cluster.assert_sound()
    await cluster.stop_member("conductor")
    await cluster.start_conductor()


async def test_a_rebuild_goes_on_with_a_volume_that_is_being_written(cluster: Cluster) -> None:
    """Whoever wrote it has died, or its question how far it is was lost."""
    fault = Fault()
    server_id = await volume_backed(cluster)
    (volume_id,) = await volumes_of(cluster, server_id)
    path = f"/volumes/{volume_id}/action"

    def writing(step: Step) -> Step:
        async def do(context: Context) -> None:
            await cluster.volumes.call("POST", path, {"os-reset_status": {"status": "downloading"}})
            done = cluster.volumes.call("POST", path, {"os-reset_status": {"status": "reserved"}})
            doing = asyncio.ensure_future(step.do(context))
            await asyncio.wait([doing], timeout=0.2)
            await done
            await doing

        return dataclasses.replace(step, do=do)

    await cluster.stop_member("conductor")
    await cluster.start_conductor(definitions=fault.definitions("rebuild", reimage=writing))
    other = await snapshot(cluster, await running(cluster), "other")
    body = {"rebuild": {"imageRef": other["id"]}}
    status, answer = await cluster.request(
        "POST", f"/servers/{server_id}/action", body, version="2.93"
    )
    assert status == 202, answer
    await active(cluster, server_id)
    await cluster.assert_sound()
    await cluster.stop_member("conductor")
    await cluster.start_conductor()


@pytest.mark.parametrize("verb", ["attach_volume", "swap_volume"])
async def test_a_silent_host_does_not_keep_what_it_was_to_attach(
    cluster: Cluster, verb: str
) -> None:
    """The volume is free for others by then; the guest has it until its host is back."""
    server_id, old = await with_volume(cluster)
    volume_id, host = await cluster.volumes.make(), (await cluster.row(server_id))["host"]

    async def at_guest() -> bool:
        driver = cluster.members[host].service.agents[host].driver
        guests = [guest for guest in await driver.list_guests() if guest.uuid == server_id]
        return any(found == volume_id for found, _ in guests[0].volumes)

    async def not_at_guest() -> bool:
        return not await at_guest()

    faults = cluster.members[host].service.agents[host].driver.faults
    faults.add(FaultRule(effect=Effect.LOST_REPLY, verb=verb))
    if verb == "swap_volume":
        assert (await put(cluster, server_id, old, {"volumeId": volume_id}))[0] == 202
    else:
        assert (await attach(cluster, server_id, volume_id))[0] == 200
    await wait_for(at_guest, 5, "the guest to have the volume")
    await cluster.kill(host)
    await force_down(cluster, host)
    await cluster.settled(server_id)
    await cluster.volumes.becomes(volume_id, "available")
    await cluster.start_host(host)
    await force_down_ended(cluster, host)
    await wait_for(not_at_guest, 15, "the guest to have lost the volume")
    await cluster.settled(server_id)
    if verb == "swap_volume":  # it has lost the old one as well, and gets it with its next start
        await cluster.action(server_id, {"reboot": {"type": "HARD"}})
        await active(cluster, server_id)
    await cluster.assert_sound()

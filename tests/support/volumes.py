"""Volumes of a test cluster: making them, and whether everything agrees about them.

The volume service, the database and the hosts must say the same: each disk has one attachment, no
attachment is without a disk, and a guest has the volumes of its server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.compute.drivers.base import Phase
from tests.support.wait import wait_for

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

MARK = "muster_disk"
"""Metadata of volumes that were made for a disk."""


class VolumesOf:
    """The volume service of a cluster, as an administrator or as `user`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._url = cluster.identity_url.removesuffix("/identity") + "/volume/v3"

    async def call(
        self, method: str, path: str, body: Any = None, *, user: str = "admin"
    ) -> tuple[int, Any]:
        headers = {
            "X-Auth-Token": await self._cluster.token(user),
            "OpenStack-API-Version": "volume 3.54",
        }
        async with self._cluster.http.request(
            method, self._url + path, json=body, headers=headers
        ) as response:
            text = await response.read()
            return response.status, await response.json() if text else None

    async def make(self, size: int = 1, *, user: str = "admin", **fields: Any) -> str:
        """A volume that is available; its id."""
        body = {"volume": {"size": size, **fields}}
        status, answer = await self.call("POST", "/volumes", body, user=user)
        assert status == 202, answer
        volume_id = str(answer["volume"]["id"])
        await self.becomes(volume_id, "available")
        return volume_id

    async def make_bootable(self, size: int = 1, *, user: str = "admin") -> str:
        """A volume made of the image."""
        return await self.make(size, user=user, imageRef=await self._cluster.image_id())

    async def make_type(self, name: str, **extra_specs: str) -> str:
        body = {"volume_type": {"name": name, "extra_specs": extra_specs}}
        status, answer = await self.call("POST", "/types", body)
        assert status == 200, answer
        return name

    async def show(self, volume_id: str) -> dict[str, Any]:
        status, answer = await self.call("GET", f"/volumes/{volume_id}")
        assert status == 200, answer
        found: dict[str, Any] = answer["volume"]
        return found

    async def status(self, volume_id: str) -> str | None:
        """None: it is gone."""
        status, answer = await self.call("GET", f"/volumes/{volume_id}")
        return answer["volume"]["status"] if status == 200 else None

    async def becomes(self, volume_id: str, status: str | None) -> None:
        async def is_so() -> bool:
            return await self.status(volume_id) == status

        await wait_for(is_so, 10, f"volume {volume_id} to be {status}")

    async def every(self) -> list[dict[str, Any]]:
        _, answer = await self.call("GET", "/volumes/detail?all_tenants=1&limit=1000")
        return list(answer["volumes"])

    async def snapshots(self) -> list[dict[str, Any]]:
        _, answer = await self.call("GET", "/snapshots/detail?all_tenants=1&limit=1000")
        return list(answer["snapshots"])

    async def attachments(self) -> list[dict[str, Any]]:
        _, answer = await self.call("GET", "/attachments/detail?all_tenants=1&limit=1000")
        return list(answer["attachments"])


async def assert_volumes_sound(cluster: Cluster) -> None:
    """See above. What hosts report may take a moment; everything else is so at once."""
    volumes = VolumesOf(cluster)
    rows = await cluster.pool.fetch(DISKS)
    named = {(str(r["server_uuid"]), r["volume_id"], r["attachment_id"]) for r in rows}
    known = {(a["instance"], a["volume_id"], a["id"]) for a in await volumes.attachments()}
    assert known == named, f"too many {known - named}, too few {named - known}"
    assert not await cluster.pool.fetch(ORPHANS), "no disk of a server that is gone"
    disks = {str(r["uuid"]): r["volume_id"] for r in await cluster.pool.fetch(MADE)}
    by_id = {volume["id"]: volume for volume in await volumes.every()}
    for volume in by_id.values():
        mark = volume["metadata"].get(MARK)
        if mark in disks:
            assert disks[mark] == volume["id"], f"made twice: {volume}"
    for row in rows:
        status = by_id[row["volume_id"]]["status"]
        # A shelved server whose last step was passed over is still attached to its last host.
        wanted = {"in-use"} if row["host"] else {"reserved", "in-use"}
        assert status in wanted, f"volume {row['volume_id']} is {status} on host {row['host']}"
    await _assert_snapshots_have_images(cluster)
    await _assert_guests_have_theirs(cluster)


async def _assert_snapshots_have_images(cluster: Cluster) -> None:
    """Those that were made for an image are named by it."""
    url = cluster.identity_url.removesuffix("/identity") + "/image/v2"
    _, body = await cluster.request("GET", "/images?limit=1000", url=url)
    named = [image.get("block_device_mapping", "") for image in body["images"]]
    for snapshot in await cluster.volumes.snapshots():
        if (snapshot["description"] or "").startswith("for image "):
            assert any(snapshot["id"] in text for text in named), f"left behind: {snapshot}"


async def _assert_guests_have_theirs(cluster: Cluster) -> None:
    """Those in error get them with the next hard reboot, as do those that a move has left behind
    and that became their servers' again."""
    wanted: dict[tuple[str, str, int], set[tuple[str, str]]] = {}
    for row in await cluster.pool.fetch(PLACED):
        place = (str(row["uuid"]), row["host"], row["generation"])
        disks = wanted.setdefault(place, set())
        if row["volume_id"] is not None:
            disks.add((row["volume_id"], row["attachment_id"]))
    for host in cluster.hosts:
        if host not in cluster.members:
            continue
        driver = cluster.members[host].service.agents[host].driver
        for guest in await driver.list_guests():
            place = (guest.uuid, host, guest.generation)
            if place in wanted and guest.phase is not Phase.MIGRATED_OUT:
                assert set(guest.volumes) == wanted[place], f"disks of guest {place}"


DISKS = """
select d.server_uuid, d.volume_id, d.attachment_id, s.host
  from block_devices d join servers s on s.uuid = d.server_uuid
 where d.attachment_id is not null
"""

MADE = "select uuid, volume_id from block_devices where source_type <> 'volume'"

ORPHANS = """
select d.uuid from block_devices d left join servers s on s.uuid = d.server_uuid
 where s.deleted_at is not null or s.uuid is null
"""

PLACED = """
select s.uuid, s.host, s.generation, d.volume_id, d.attachment_id
  from servers s left join block_devices d
       on d.server_uuid = s.uuid and d.attachment_id is not null
 where s.host is not null and s.deleted_at is null and s.vm_state <> 'error'
"""

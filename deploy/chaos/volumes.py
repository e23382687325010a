"""What must hold of servers' volumes in a cluster at rest.

Owns: the facts (the volume service's records, the servers' disks) and the rules about them; `check`
is pure. May not: repair anything, or believe one of both sides.
Crash story: none; it only reads.

Runs ask for `delete_on_termination` of every volume that a build is to make, so that one of these
that no server has is left over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from common.db.pool import Pool
from deploy.load.client import Client

MADE = "muster_disk"
"""Key of the metadata of volumes that builds have made (conductor's `making_volumes.MARK`)."""
UNDER_WAY = frozenset({"creating", "downloading", "deleting", "attaching", "detaching"})

_DISKS = """
select server_uuid::text, volume_id, attachment_id from block_devices
 where destination_type = 'volume' order by server_uuid, position
"""


class Volume(NamedTuple):
    status: str
    made: bool = False
    """By a build; all others were brought by users."""


class Attachment(NamedTuple):
    volume: str
    server: str
    status: str
    host: str | None
    """Which is connected."""


class Disk(NamedTuple):
    """A volume as its server has it."""

    server: str
    volume: str | None
    attachment: str | None


@dataclass
class Volumes:
    volumes: dict[str, Volume] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    disks: list[Disk] = field(default_factory=list)
    brought: frozenset[str] = frozenset()
    """What the run has made itself and not deleted."""

    @classmethod
    async def gather(cls, pool: Pool, client: Client, brought: Iterable[str]) -> Self:
        async def listed(path: str, key: str) -> Any:
            query = "?all_tenants=1&limit=1000"
            return (await client.get(f"/{path}/detail{query}", service="block-storage"))[key]

        return cls(
            volumes={
                found["id"]: Volume(found["status"], MADE in found["metadata"])
                for found in await listed("volumes", "volumes")
            },
            attachments={
                found["id"]: Attachment(
                    found["volume_id"],
                    found["instance"],
                    found["status"],
                    found["connection_info"].get("host"),
                )
                for found in await listed("attachments", "attachments")
            },
            disks=[Disk(*row) for row in await pool.fetch(_DISKS)],
            brought=frozenset(brought),
        )

    def of(self, server: str) -> frozenset[str]:
        """The volumes that a guest of the server must have."""
        return frozenset(
            disk.volume
            for disk in self.disks
            if disk.server == server and disk.volume and disk.attachment
        )


def check(facts: Volumes, servers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """`servers`: rows of those that are not deleted, by id."""
    yield from _disks(facts, servers)
    yield from _attachments(facts)
    yield from _volumes(facts, servers)


def _disks(facts: Volumes, servers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for disk in facts.disks:
        server = servers.get(disk.server)
        what = f"of server {disk.server} to volume {disk.volume}"
        found = facts.attachments.get(disk.attachment or "")
        if server is None:
            yield f"disk leaked: volume {disk.volume} of server {disk.server}, which is gone"
        elif disk.attachment is not None and (
            found is None or (found.server, found.volume) != (disk.server, disk.volume)
        ):
            yield f"attachment missing: {disk.attachment} {what} is {found}"
        elif server["vm_state"] == "error":  # it may have none, and is mended by a hard reboot
            continue
        elif found is None:
            yield f"attachment missing: none {what}"
        elif found.host != server["host"] or (found.host and found.status != "attached"):
            place = f"{found.status} on {found.host}, not on {server['host']}"
            yield f"attachment wrong: {disk.attachment} {what} is {place}"


def _attachments(facts: Volumes) -> Iterable[str]:
    named = {disk.attachment for disk in facts.disks}
    for each, found in facts.attachments.items():
        if each not in named:
            yield f"attachment leaked: {each} of server {found.server} to volume {found.volume}"


def _volumes(facts: Volumes, servers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    attached = {attachment.volume for attachment in facts.attachments.values()}
    disks = {disk.volume: servers.get(disk.server) for disk in facts.disks}
    for each, found in facts.volumes.items():
        server = disks.get(each)
        # The volumes of a server without a host are reserved.
        waits = server is not None and server["host"] is None
        unused = found.status == "in-use" and each not in attached
        if found.status in UNDER_WAY or unused or (found.status == "reserved" and not waits):
            yield f"stuck: volume {each} is {found.status}"
        if found.made and each not in disks:
            yield f"volume leaked: {each} was made for a server that does not have it"
    named = {disk.volume for disk in facts.disks if disk.volume is not None}
    for each in (facts.brought | named) - facts.volumes.keys():
        yield f"volume lost: {each} is a server's, or a user's, and is not there"

"""What a driver may be able to do beyond the mandatory verbs; one small Protocol each.

Owns: the optional verbs and their data. Which of them a driver has is said by its `Capabilities`
(base.py, where the rules for every verb stand too). May not: implement anything.
Crash story: see base.py.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from common.domain.consoles import ConsoleProtocol
from common.domain.states import PowerState
from common.messages.compute import GuestSpec, NetworkInterface, VolumeDevice
from services.compute.drivers.base import NOTHING, GuestInfo, ImageCached, Provision


@runtime_checkable
class Pause(Protocol):
    async def pause(self, uuid: str, generation: int) -> None: ...

    async def unpause(self, uuid: str, generation: int) -> None: ...


@runtime_checkable
class Suspend(Protocol):
    async def suspend(self, uuid: str, generation: int) -> None: ...

    async def resume(self, uuid: str, generation: int) -> None: ...


@runtime_checkable
class Rescue(Protocol):
    async def rescue(
        self,
        uuid: str,
        generation: int,
        image_id: str | None = None,
        provision: Provision = NOTHING,
    ) -> None:
        """Boot from a rescue image (default: the guest's own) with the guest's disk beside it; the
        password of `provision` is the rescue system's."""

    async def unrescue(self, uuid: str, generation: int) -> None: ...


@runtime_checkable
class Snapshot(Protocol):
    snapshot_format: str
    """What the bytes are, as the image service names it: raw, qcow2, ..."""

    def snapshot(self, uuid: str, generation: int) -> AsyncIterator[bytes]:
        """The bytes of an image of the root disk, in chunks; the power state stays."""


@runtime_checkable
class AdminPassword(Protocol):
    async def set_admin_password(self, uuid: str, generation: int, password: str) -> None: ...


@runtime_checkable
class CrashDump(Protocol):
    async def inject_nmi(self, uuid: str, generation: int) -> None: ...


@runtime_checkable
class Volumes(Protocol):
    """Disks that a guest gets and gives up while it is there. Those it is made with are in its
    spec. A guest that is off has the disk when it starts."""

    async def volume_connector(self) -> dict[str, Any]:
        """How the volume service must know this host to connect volumes to it."""

    async def attach_volume(self, uuid: str, generation: int, volume: VolumeDevice) -> None:
        """Give the guest the disk. The volume by the same attachment is success, by another one
        takes the place of what is there."""

    async def detach_volume(self, uuid: str, generation: int, volume_id: str) -> None:
        """Take the disk away; one that is not there is success."""

    async def swap_volume(
        self, uuid: str, generation: int, old_volume_id: str, volume: VolumeDevice
    ) -> None:
        """Copy the old volume to the new one while the guest uses it, and put that in its place.
        Raises `NotFound` when the guest has neither."""

    async def extend_volume(
        self, uuid: str, generation: int, volume_id: str, size_gib: int
    ) -> None:
        """Let the guest see that the volume has grown. Raises `NotFound` without it."""


@runtime_checkable
class VolumeSnapshots(Protocol):
    """Snapshots of volumes that are files, which only the host of the running guest can make. Both
    raise `NotFound` for a guest without the volume, and may be repeated."""

    async def snapshot_volume(
        self, uuid: str, generation: int, volume_id: str, snapshot_id: str, new_file: str
    ) -> None:
        """From now on the guest writes to `new_file`; what it wrote before is the snapshot."""

    async def delete_volume_snapshot(
        self,
        uuid: str,
        generation: int,
        volume_id: str,
        snapshot_id: str,
        *,
        file_to_merge: str | None = None,
        merge_target_file: str | None = None,
    ) -> None:
        """Merge one file of the volume into the one that it is based on, so that the snapshot
        between them is gone. Without files: the volume service has merged them by itself."""


@runtime_checkable
class Migrate(Protocol):
    """Moving a guest: the destination prepares, the source lets go, the destination finishes under
    a new generation; then the source destroys what it kept (confirm), or the destination destroys
    and the source reverts. They are two hosts; a host refuses (`Conflict`) to be both."""

    async def prepare_destination(self, spec: GuestSpec) -> None:
        """Reserve the guest here (`Phase.BUILDING`); `destroy` gives it up."""

    async def migrate_out(self, uuid: str, generation: int) -> None:
        """On the source: power off, keep the disk (`Phase.MIGRATED_OUT`)."""

    async def finish_migration(
        self,
        spec: GuestSpec,
        power_state: PowerState = PowerState.RUNNING,
        held: bool = True,
        provision: Provision = NOTHING,
    ) -> GuestInfo:
        """On the destination: the guest goes on here in `power_state`."""

    async def revert_migration(
        self,
        uuid: str,
        generation: int,
        new_generation: int,
        power_on: bool = True,
        held: bool = True,
        *,
        volumes: list[VolumeDevice] | None = None,
    ) -> None:
        """On the source: the kept guest of `generation` goes on as `new_generation`, with these
        volumes instead of those it had; None: with those."""


@dataclass(frozen=True)
class MigrationProgress:
    memory_total_bytes: int
    memory_processed_bytes: int

    @property
    def memory_remaining_bytes(self) -> int:
        return self.memory_total_bytes - self.memory_processed_bytes


@runtime_checkable
class LiveMigrate(Migrate, Protocol):
    async def live_migrate(self, uuid: str, generation: int) -> None:
        """On the source: copy memory while the guest runs, then stop it here
        (`Phase.MIGRATED_OUT`). Raises `MigrationAborted` with the guest untouched."""

    async def live_migration_progress(self, uuid: str) -> MigrationProgress:
        """Raises `NotFound` when none is going on; so do the next two."""

    async def live_migration_abort(self, uuid: str) -> None: ...

    async def live_migration_force_complete(self, uuid: str) -> None: ...


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""Bytes both ways."""


@runtime_checkable
class Consoles(Protocol):
    async def open_console(
        self,
        uuid: str,
        generation: int,
        protocol: ConsoleProtocol,
        secrets: frozenset[str] | None = None,
    ) -> Stream:
        """A connection to a console of the guest, held or not; it ends with the guest. With
        `secrets` (SHA-256, hexadecimal) whoever uses it must show one of them in the protocol's own
        way; without, the caller knows who that is. Raises `Unsupported` for a protocol that is not
        among the driver's, or that has no such way, and `NotFound` and `StaleGeneration` as the
        verbs do."""


@runtime_checkable
class ImageCache(Protocol):
    """Images at hand before a guest needs them."""

    async def cache_images(self, image_ids: list[str]) -> dict[str, ImageCached]:
        """Fetch those that are not here. What came of each; one that cannot be fetched keeps no
        other from being."""

    async def cached_images(self) -> list[str]:
        """Ids, in the order in which they came."""


@runtime_checkable
class Interfaces(Protocol):
    """Network interfaces that come and go while the guest runs, is paused or is off."""

    async def attach_interface(
        self, uuid: str, generation: int, interface: NetworkInterface
    ) -> None:
        """Behind those it has; one for the same port takes the description given now."""

    async def detach_interface(self, uuid: str, generation: int, port_id: str) -> None:
        """A port it has no interface for is success."""


@dataclass(frozen=True)
class Gap:
    """A time in which this host's guests did not execute although nobody stopped them."""

    number: int
    """Counts up from 1 in each life of the driver."""
    since: dt.datetime
    until: dt.datetime
    reason: str


@runtime_checkable
class Fencing(Protocol):
    """For drivers whose guests stop with the agent: a host that was frozen or restarted must not
    let a guest go on that lives elsewhere by now. Every guest is held, with a new ticket, at the
    start and after every gap."""

    on_gap: Callable[[Gap], None] | None
    """Called at once when a gap is noticed; every guest is held by then. Set before `start()`."""

    @property
    def gaps(self) -> int:
        """Gaps so far. What was begun before one must not be finished after it."""


@runtime_checkable
class GuestEvents(Protocol):
    on_guest_event: Callable[[GuestInfo], None] | None
    """Called when a guest changed its power state by itself. Set before `start()`."""

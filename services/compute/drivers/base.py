"""What every driver offers to the compute agent.

Owns: the mandatory verbs (`Driver`), the optional ones (one small Protocol each), their data and
their errors. May not: know the bus, the database or any particular driver.
Crash story: a driver keeps what it needs on its host. After a kill at any point `start()` finds
every guest again, a half-made one as `Phase.BUILDING`, which the repeated `spawn` finishes.

Rules for every verb that takes `generation`
* it is idempotent: what is already so is success;
* `StaleGeneration` when the host has seen a higher generation of that server, `NotFound` when there
  is no guest of that generation, `GuestHeld` while the guest may not execute, `Conflict` when its
  power state does not allow the verb, `HostCommandFailed` when the host could not do it.

Held guests
A guest that is held does not execute, whatever its power state says. `spawn`, `finish_migration`
and `revert_migration`, the verbs that make guests, make them complete but `held`: they execute when
they are released, which is after the database has made them their servers'. That a guest is held is
no obstacle to a verb that makes it, nor to `destroy`.
* `held=True` holds what the verb makes, for the reason `MADE`. Repeated for a guest that is made
  already it changes nothing; above all it does not hold again what has been released.
* `held=False` lets the guest execute when it is made, or is already, and lifts its hold; but not
  one that came after the verb began, which is `GuestHeld`.
* A guest that is held as `MADE` when its agent ends is found held by the next life.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol, runtime_checkable

from common.domain.consoles import ConsoleProtocol
from common.domain.guest_data.secrets import GuestSecrets
from common.domain.states import PowerState
from common.errors import Unavailable
from common.messages.compute import GuestSpec, NetworkInterface, Resources, VolumeDevice


class Phase(Enum):
    """How much of a guest is on this host."""

    BUILDING = "building"  # reserved or half made; it never executed in this generation
    READY = "ready"
    MIGRATED_OUT = "migrated_out"  # its disk is kept until the move is confirmed or reverted


MADE = "made"
"""Why a guest is held that was made and is not released yet."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A guest may not execute."""

    ticket: int
    """Counts up over all holds of a host: which hold this is, and what it came after."""
    reason: str


@dataclass(frozen=True, slots=True)
class GuestInfo:
    """A guest as its host sees it."""

    uuid: str
    generation: int
    name: str
    power_state: PowerState
    since: dt.datetime
    """UTC time of the last change of `power_state` or `phase`."""
    phase: Phase
    hold: Hold | None = None
    volumes: tuple[tuple[str, str], ...] = ()
    """Id and attachment of each volume it has."""
    port_ids: tuple[str, ...] = ()
    """The ports for which it has network interfaces, in their order."""

    @property
    def held(self) -> bool:
        """It does not execute whatever `power_state` says."""
        return self.hold is not None


@dataclass(frozen=True)
class Capabilities:
    """What this driver can do beyond the mandatory verbs; each name is a Protocol below."""

    pause: bool = False
    suspend: bool = False
    rescue: bool = False
    snapshot: bool = False
    admin_password: bool = False
    crash_dump: bool = False
    migrate: bool = False
    live_migrate: bool = False
    interfaces: bool = False
    image_cache: bool = False
    fencing: bool = False
    consoles: frozenset[ConsoleProtocol] = frozenset()
    """What its guests' consoles speak."""
    volumes: bool = False
    volume_snapshots: bool = False


@dataclass(frozen=True)
class Provision:
    """What a guest gets with its boot beside its image. What is secret in it a driver puts into the
    guest, or on a drive that only the guest has, and nowhere else: in no log, in no answer."""

    secrets: GuestSecrets = field(default_factory=GuestSecrets)
    """A driver that cannot write files or a password into the guest itself is content with the
    drive that has both; without a drive it fails the verb."""
    config_drive: bytes | None = field(default=None, repr=False)
    """An ISO 9660 image to be attached read-only. A guest that is made again gets a new one, one
    that goes on after a move too."""


NOTHING = Provision()


class GuestHeld(Unavailable):
    """The guest may not execute until its host has been told the truth about it."""


RebootType = Literal["soft", "hard"]


ImageCached = Literal["cached", "existing", "error"]


@runtime_checkable
class Driver(Protocol):
    """The mandatory verbs."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Find the guests of an earlier life again; raises `Conflict` when another agent serves
        this host, `HostCommandFailed` when its state cannot be read."""

    async def stop(self) -> None:
        """Let go of the host in good order."""

    async def crash(self) -> None:
        """Let go at once, leaving on disk what a killed process would leave."""

    async def resources(self) -> Resources:
        """Capacity and identity of the host."""

    async def list_guests(self) -> list[GuestInfo]:
        """Every guest of which anything is on this host."""

    async def guest_info(self, uuid: str) -> GuestInfo:
        """One of them; raises `NotFound`."""

    @property
    def holds(self) -> int:
        """The ticket of the newest hold. Read it before asking for the truth and give it to
        `release`."""

    def held_guests(self) -> list[GuestInfo]: ...

    def hold(self, uuid: str, reason: str) -> None:
        """Stop letting the guest execute, under a new ticket also when it is held already; unknown
        guests are ignored."""

    def release(self, uuid: str, generation: int, *, as_of: int) -> None:
        """Let it execute; a guest that is not held is success. Raises `GuestHeld` when it was held
        after ticket `as_of`: whoever says that it may run did not know of that. Raises `NotFound`
        and `StaleGeneration` as the verbs do."""

    async def spawn(
        self, spec: GuestSpec, held: bool = True, provision: Provision = NOTHING
    ) -> GuestInfo:
        """Make the guest with `provision`, powered on if `spec.power_on`. The same generation again
        returns what is there or finishes what is half made; a higher one replaces the guest
        (rebuild). Raises `StaleGeneration` below the highest generation ever seen here, also of
        destroyed guests, and up to the destroyed generation."""

    async def destroy(self, uuid: str, generation: int) -> None:
        """Remove the guest if its generation is at most `generation` and remember that for ever
        after. Absent, or of a higher generation: success, nothing is touched. Overtakes a spawn in
        flight and works on held guests."""

    async def power_on(self, uuid: str, generation: int) -> None:
        """Start it. A guest that a move has left behind (`Phase.MIGRATED_OUT`) goes on here, under
        the generation it has: the way out when a move could not be turned back. Whoever asks must
        know that this generation is the server's again."""

    async def power_off(self, uuid: str, generation: int, timeout_s: float = 60.0) -> None:
        """Ask the guest to shut down; cut its power after `timeout_s` (0: at once)."""

    async def reboot(
        self,
        uuid: str,
        generation: int,
        kind: RebootType = "soft",
        *,
        volumes: list[VolumeDevice] | None = None,
    ) -> None:
        """`soft` needs a running guest; `hard` starts it from any power state, and from
        `Phase.MIGRATED_OUT` as `power_on` does, with these volumes instead of those it had; None:
        with those."""

    async def console_output(self, uuid: str, length: int | None = None) -> str:
        """The last `length` lines of the console, all without `length`; raises `NotFound`."""


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

"""What every driver offers to the compute agent.

Owns: the mandatory verbs (`Driver`), their data and errors, and the names of the optional ones,
which are in optional.py. May not: know the bus, the database or any particular driver.
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

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol, runtime_checkable

from common.domain.consoles import ConsoleProtocol
from common.domain.guest_data.secrets import GuestSecrets
from common.domain.states import PowerState
from common.errors import Unavailable
from common.messages.compute import GuestSpec, Resources, VolumeDevice


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

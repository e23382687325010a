"""What a simulated host keeps on disk about its guests.

Owns: `<state_dir>/<host>/guests/<uuid>.json` (one write per change of a guest), `tombstones`
(generations that were destroyed), `lock` (one agent per host).
May not: decide anything about a guest.
Crash story: a guest's file is replaced whole by rename and a tombstone is one appended line, so
that a kill at any point leaves each as it was before or after. Nothing is fsynced: this survives
the death of the process, not of the machine. A destroyed guest's tombstone is written before its
file goes; `open()` finishes what was interrupted between the two.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from common.domain.states import PowerState
from common.errors import Conflict, HostCommandFailed, InvalidInput
from common.messages.compute import GuestSpec
from services.compute.drivers.base import Phase

TOMBSTONE_KEPT_S = 7 * 24 * 3600.0
"""Far longer than any command can wait in a queue; older ones are dropped at `open()`."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest at one moment; a change makes a new value. Times are epoch seconds."""

    spec: GuestSpec
    phase: Phase
    power_state: PowerState
    since: float
    rescue_image: str | None = None
    history: tuple[tuple[float, str], ...] = ()
    """(when, console text kind): the console is made from it on demand."""
    rescue_password: bool = False
    """Whether the rescue system was given one."""
    password: bool = False
    """Whether the guest was given one with its first boot."""
    files: tuple[str, ...] = ()
    """Paths of what was injected then."""
    drive_bytes: int | None = None
    """Size of its config drive; None without one."""

    @property
    def uuid(self) -> str:
        return self.spec.uuid

    @property
    def generation(self) -> int:
        return self.spec.generation

    @property
    def wants_to_run(self) -> bool:
        return self.phase is Phase.READY and self.power_state is PowerState.RUNNING


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """In lower case, as everything inside writes them."""
    return _UUID.fullmatch(text) is not None


def check_uuid(uuid: str) -> None:
    """Raise `InvalidInput` for what is no lower-case UUID: it becomes a file name."""
    if not is_uuid(uuid):
        raise InvalidInput(f"spec.uuid: {uuid!r} is not a lower-case UUID")


def host_directory(state_dir: Path, host: str) -> Path:
    """The directory of `host`; raises `InvalidInput` for a name that cannot be one."""
    if not host or host in {".", ".."} or "/" in host or "\0" in host:
        raise InvalidInput(f"compute.hosts: {host!r} cannot be a directory name; choose another")
    return state_dir / host


class GuestStore:
    """Guests in memory, written through. Every method is synchronous and costs one small write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.guests: dict[str, Guest] = {}
        self._guests_dir = str(directory / "guests")
        self._tombstones: dict[str, int] = {}
        self._tombstone_fd = -1
        self._lock_fd = -1

    def open(self, now: float) -> None:
        """Take the host and read everything; see `Driver.start` for the errors."""
        Path(self._guests_dir).mkdir(parents=True, exist_ok=True)
        self._lock()
        self.guests.clear()
        try:
            self._read_tombstones(now)
            self._read_guests()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the host; also how a crash looks from the disk."""
        for fd in (self._tombstone_fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._tombstone_fd = self._lock_fd = -1

    def save(self, guest: Guest) -> None:
        """Put `guest` in the place of what was known of it; all or nothing."""
        data = orjson.dumps(
            {
                "v": 1,
                "spec": guest.spec.model_dump(),
                "phase": guest.phase.value,
                "power_state": int(guest.power_state),
                "since": guest.since,
                "rescue_image": guest.rescue_image,
                "rescue_password": guest.rescue_password,
                "password": guest.password,
                "files": guest.files,
                "drive_bytes": guest.drive_bytes,
                "history": guest.history,
            }
        )
        replace_file(f"{self._guests_dir}/{guest.uuid}.json", data)
        self.guests[guest.uuid] = guest

    def bury(self, uuid: str, generation: int, now: float) -> None:
        """Remove the guest, if any, and remember that up to `generation` all is over."""
        if generation > self._tombstones.get(uuid, -1):
            os.write(self._tombstone_fd, _tombstone_line(uuid, generation, now))
            self._tombstones[uuid] = generation
        if self.guests.pop(uuid, None) is not None:
            Path(self._guests_dir, f"{uuid}.json").unlink(missing_ok=True)

    def destroyed_generation(self, uuid: str) -> int:
        """The highest destroyed generation of that server, -1 when none."""
        return self._tombstones.get(uuid, -1)

    def _lock(self) -> None:
        self._lock_fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise Conflict(
                f"another compute agent serves the host in {self.directory}; stop it first"
            ) from error

    def _read_tombstones(self, now: float) -> None:
        path = self.directory / "tombstones"
        kept: dict[str, tuple[int, float]] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            # Only the last line can be torn, and then its destroy was never reported as done.
            with contextlib.suppress(ValueError, KeyError):
                entry = orjson.loads(line)
                uuid, generation, when = entry["uuid"], entry["generation"], entry["t"]
                if now - when < TOMBSTONE_KEPT_S and generation > kept.get(uuid, (-1, 0.0))[0]:
                    kept[uuid] = (generation, when)
        replace_file(str(path), b"".join(_tombstone_line(u, g, t) for u, (g, t) in kept.items()))
        self._tombstones = {uuid: generation for uuid, (generation, _) in kept.items()}
        self._tombstone_fd = os.open(path, os.O_WRONLY | os.O_APPEND)

    def _read_guests(self) -> None:
        for entry in list(os.scandir(self._guests_dir)):
            if not entry.name.endswith(".json"):
                Path(entry.path).unlink()  # a write that a kill interrupted
                continue
            guest = _read_guest(Path(entry.path))
            if guest.generation <= self.destroyed_generation(guest.uuid):
                Path(entry.path).unlink()
            else:
                self.guests[guest.uuid] = guest


def replace_file(path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` as the whole file, all or nothing."""
    temporary = path + ".tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), temporary)
    finally:
        os.close(fd)
    os.replace(temporary, path)  # noqa: PTH105 - half the cost of Path.replace, on every verb


def _tombstone_line(uuid: str, generation: int, now: float) -> bytes:
    entry = {"uuid": uuid, "generation": generation, "t": now}
    return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


def _read_guest(path: Path) -> Guest:
    try:
        data: dict[str, Any] = orjson.loads(path.read_bytes())
        return Guest(
            spec=GuestSpec.model_validate(data["spec"]),
            phase=Phase(data["phase"]),
            power_state=PowerState(data["power_state"]),
            since=data["since"],
            rescue_image=data["rescue_image"],
            rescue_password=data.get("rescue_password", False),
            password=data.get("password", False),
            files=tuple(data.get("files", ())),
            drive_bytes=data.get("drive_bytes"),
            history=tuple((when, kind) for when, kind in data["history"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HostCommandFailed(
            f"{path} is not the state of a guest ({error}); remove it to give that guest up"
        ) from error

"""The driver log of a host, and the proof that can be drawn from the logs of all hosts.

Owns: `<host>/driver.log`, append-only JSON lines
`{"t", "mono", "host", "uuid", "generation", "event", "reason"}` (`t` epoch seconds, `mono` seconds
of the host's monotonic clock), and `<host>/alive`, the epoch second up to which the guests of this
host are known to have executed.
Events: `running` begins an interval of execution of one guest on this host; `stopped`, `held` and
`destroyed` end it; `host_started` (uuid null) ends all that an earlier life of the host left open,
at its `executed_until`; `released` says that a guest is no longer held (`running` follows when it
goes on).
May not: know why. Crash story: each record is one appending write; a record torn by a kill is cut
off at the next start. An interval left open by a kill ends at `alive`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from common.runtime.ports import Clock

LOG_NAME = "driver.log"
ALIVE_NAME = "alive"
ENDS = frozenset({"stopped", "held", "destroyed"})


class DriverLog:
    """Writes one host's log and alive mark."""

    def __init__(self, host: str, directory: Path, clock: Clock) -> None:
        self._host = host
        self._directory = directory
        self._clock = clock
        self._log_fd = -1
        self._alive_fd = -1

    def open(self) -> float | None:
        """Returns the alive mark of the earlier life, None for a new host."""
        path = self._directory / LOG_NAME
        self._log_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _cut_torn_record(path, self._log_fd)
        self._alive_fd = os.open(self._directory / ALIVE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        return read_alive(self._directory)

    def close(self) -> None:
        for fd in (self._log_fd, self._alive_fd):
            if fd >= 0:
                os.close(fd)
        self._log_fd = self._alive_fd = -1

    def write(
        self,
        event: str,
        uuid: str | None,
        generation: int | None,
        *,
        t: float | None = None,
        **extra: Any,
    ) -> None:
        """Append a record of what happened at `t` (default now)."""
        record = {
            "t": self._clock.utcnow().timestamp() if t is None else t,
            "mono": self._clock.monotonic(),
            "host": self._host,
            "uuid": uuid,
            "generation": generation,
            "event": event,
            **extra,
        }
        os.write(self._log_fd, orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def mark_alive(self, now: float) -> None:
        """Guests have executed until `now`. One small write in place: it cannot be torn by a kill
        because its length never changes."""
        os.pwrite(self._alive_fd, b"%020.6f\n" % now, 0)


def _cut_torn_record(path: Path, fd: int) -> None:
    size = path.stat().st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        os.ftruncate(fd, path.read_bytes().rfind(b"\n") + 1)


def read_alive(directory: Path) -> float | None:
    """The alive mark in a host's directory, None when there is none."""
    try:
        return float((directory / ALIVE_NAME).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


class Interval(NamedTuple):
    """One guest executed on one host from `start` to `end` (epoch seconds)."""

    host: str
    generation: int
    start: float
    end: float


class Overlap(NamedTuple):
    """A server executed on two hosts from `start` to `end`."""

    uuid: str
    start: float
    end: float
    first: Interval
    second: Interval


def running_intervals(paths: Iterable[Path]) -> dict[str, list[Interval]]:
    """Every interval of execution in the driver logs `paths`, by server uuid, oldest first.

    An interval that is still open ends at the host's alive mark. Raises `ValueError` for a line
    that is no record, except an unfinished last one.
    """
    intervals: dict[str, list[Interval]] = defaultdict(list)
    for path in paths:
        for uuid, interval in _intervals_of(path):
            intervals[uuid].append(interval)
    for found in intervals.values():
        found.sort(key=lambda interval: (interval.start, interval.end))
    return dict(intervals)


def overlaps(
    intervals: Mapping[str, Iterable[Interval]], *, tolerance_s: float = 0.0
) -> list[Overlap]:
    """Every time longer than `tolerance_s` in which one server executed on two hosts."""
    found = []
    for uuid, of_server in intervals.items():
        open_now: list[Interval] = []
        for interval in sorted(of_server, key=lambda i: i.start):
            open_now = [other for other in open_now if other.end > interval.start]
            for other in open_now:
                end = min(other.end, interval.end)
                if other.host != interval.host and end - interval.start > tolerance_s:
                    found.append(Overlap(uuid, interval.start, end, other, interval))
            open_now.append(interval)
    return found


def _intervals_of(path: Path) -> Iterable[tuple[str, Interval]]:
    running: dict[str, tuple[str, int, float]] = {}

    def ended(uuid: str, end: float) -> Iterable[tuple[str, Interval]]:
        if uuid in running:
            host, generation, start = running.pop(uuid)
            if end > start:
                yield uuid, Interval(host, generation, start, end)

    for record in _records(path):
        event, uuid, t = record["event"], record["uuid"], record["t"]
        if event == "host_started":
            for left in list(running):
                yield from ended(left, record["executed_until"])
        elif event == "running":
            yield from ended(uuid, t)
            running[uuid] = (record["host"], record["generation"], t)
        elif event in ENDS:
            yield from ended(uuid, t)
    alive = read_alive(path.parent)
    for left in list(running):
        yield from ended(left, alive if alive is not None else float("inf"))


def _records(path: Path) -> Iterable[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield orjson.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(f"{path}:{number} is no driver log record: {error}") from error

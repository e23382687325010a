"""`muster logs`. Owns: finding and printing log files. May not: interpret them."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

import orjson

from deploy.local.home import Home, LocalClusterError


def readable(line: str) -> str:
    """A JSON line as people read it: time, level, service, event, the rest; others unchanged."""
    try:
        entry = orjson.loads(line)
        stamp, level = entry.pop("timestamp")[11:23], entry.pop("level")
        event, service = entry.pop("event"), entry.pop("service", "-")
    except (ValueError, KeyError, AttributeError, TypeError):
        return line
    trace = entry.pop("exception", None)
    rest = " ".join(f"{key}={value}" for key, value in entry.items())
    text = f"{stamp} {level:7} {service:12} {event} {rest}".rstrip()
    return f"{text}\n{trace}" if trace else text


def _files(home: Home, name: str | None) -> list[Path]:
    """A cluster of processes writes a file each, a one-process cluster one for all."""
    own = home.logs / f"{name}.log"
    if name and own.exists():
        return [own]
    if name or not list(home.logs.glob("api.log")):
        return [path for path in [home.logs / "muster.log"] if path.exists()]
    return sorted(home.logs.glob("*.log"))


def logs(name: str | None, *, follow: bool, lines: int) -> int:
    home = Home.find()
    files = _files(home, name)
    if not files:
        raise LocalClusterError(f"there are no logs in {home.logs} yet")
    streams = [path.open(errors="replace") for path in files]
    wanted = f'"service":"{name}"' if name and files[0].name == "muster.log" else ""
    entries: list[tuple[str, str]] = []
    for stream in streams:
        stamp = ""
        for line in deque((line for line in stream if wanted in line), maxlen=lines):
            stamp = _stamp(line) or stamp
            entries.append((stamp, line.rstrip("\n")))
    entries.sort(key=lambda entry: entry[0])
    for _, line in entries[-lines:]:
        print(readable(line))
    while follow:
        for stream in streams:
            for line in stream:
                if wanted in line:
                    print(readable(line.rstrip("\n")))
        sys.stdout.flush()
        time.sleep(0.2)
    return 0


def _stamp(line: str) -> str:
    start = line.find('"timestamp":"')
    return line[start + 13 : start + 40] if start >= 0 else ""

"""A local cluster of one's own for the length of a run: temporary directory, free ports.

Owns: `muster up` and `muster down` in a state directory that nobody else has, and its end.
May not: touch the cluster in the caller's $MUSTER_HOME, nor take over the caller's MUSTER_*
settings, so that a run means the same everywhere.
Crash story: killed by force, it leaves the cluster and its directory; the directory's name begins
with `muster-run-`, and `MUSTER_HOME=<it> ./muster down --purge` ends both.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from common.runtime.ports import Clock
from deploy.local.home import ROOT, Home, LocalClusterError

UP_DEADLINE_S = 240.0
DOWN_DEADLINE_S = 120.0


class ThrowAway:
    """`home` is where the cluster lives; set `keep` to leave it for inspection."""

    def __init__(self, home: Home, settings: Mapping[str, str], clock: Clock) -> None:
        self.home = home
        self.keep = False
        self._clock = clock
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        self._environment = {**inherited, **settings, "MUSTER_HOME": str(home.path)}

    def muster(self, *arguments: str, deadline_s: float = DOWN_DEADLINE_S) -> str:
        """Output of one command; raises `LocalClusterError` with what it complained about."""
        done = subprocess.run(
            [sys.executable, "-m", "deploy.cli", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=deadline_s,
            check=False,
        )
        if done.returncode:
            raise LocalClusterError(
                f"muster {' '.join(arguments)} failed: {_last_words(done.stderr or done.stdout)}"
            )
        return done.stdout

    def up(self, *arguments: str, deadline_s: float = UP_DEADLINE_S) -> float:
        """Seconds until the command returned, which is when every service and host is ready."""
        began = self._clock.monotonic()
        ports = ("--port", "0", "--identity-port", "0")
        self.muster("up", *ports, *arguments, deadline_s=deadline_s)
        return self._clock.monotonic() - began

    def down(self) -> None:
        self.muster("down")

    def remove(self) -> None:
        """End it and leave nothing."""
        self.muster("down", "--purge")
        shutil.rmtree(self.home.path, ignore_errors=True)


def _last_words(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


@contextmanager
def throw_away(settings: Mapping[str, str], clock: Clock | None = None) -> Iterator[ThrowAway]:
    """A directory for a cluster; call `up` on it. Stopped and removed at the end.

    After a failure, or when `keep` is set, it is only stopped, and stays for inspection.
    """
    directory = Path(tempfile.mkdtemp(prefix="muster-run-"))
    cluster = ThrowAway(Home(directory), settings, clock or Clock())
    previous = signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        yield cluster
    except KeyboardInterrupt:
        cluster.remove()
        raise
    except BaseException:
        cluster.keep = True
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        if cluster.keep:
            cluster.down()
            sys.stderr.write(
                f"Left for inspection: {directory} (remove: MUSTER_HOME={directory} "
                f"./muster down --purge)\n"
            )
        elif directory.exists():
            cluster.remove()


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: the cluster must not outlive it."""
    raise KeyboardInterrupt


def settings_of(**values: object) -> dict[str, str]:
    """Environment variables of settings: `servicegroup__report_interval_s=1`."""
    return {f"MUSTER_{name.upper()}": str(value) for name, value in values.items()}


ROOMY: Sequence[tuple[str, object]] = (
    # Capacity and quota are not what these runs are about.
    ("compute__simulated__vcpus", 1000),
    ("compute__simulated__memory_mib", 4 * 1024 * 1024),
    ("compute__simulated__disk_gib", 100_000),
    ("quota__instances", -1),
    ("quota__cores", -1),
    ("quota__ram_mib", -1),
    ("quota__server_groups", -1),
)

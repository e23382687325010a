"""The state directory of a local cluster ($MUSTER_HOME): what lies where.

Owns: paths and their permissions. May not: know what is in the files.
Crash story: everything here survives; nothing may depend on a clean end.
"""

from __future__ import annotations

import errno
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout (or the image's application directory)."""

_PROBE_BYTES = 65_536
_LONGEST_SOCKET_PATH = 100
"""The kernel's limit is 107 bytes; a margin for the names PostgreSQL appends."""


class LocalClusterError(Exception):
    """Something a person can put right; the text is one line: the reason and what to do."""


class UsageError(LocalClusterError):
    """What was asked for, on the command line or in settings, makes no sense."""


@dataclass(frozen=True)
class Home:
    """`path` is the state directory; it is made by `prepare`."""

    path: Path

    @classmethod
    def find(cls) -> Home:
        return cls(Path(os.environ.get("MUSTER_HOME") or ROOT / ".muster").expanduser().resolve())

    def prepare(self) -> None:
        """Make the directories; raises `LocalClusterError` when that cannot be."""
        try:
            for directory in (self.path, self.logs, self.run):
                directory.mkdir(parents=True, exist_ok=True)
            if self.run.stat().st_uid != os.geteuid():
                raise PermissionError(13, "belongs to another user", str(self.run))
            self.run.chmod(0o711)
            probe = self.path / f".probe-{os.getpid()}"
            try:
                probe.write_bytes(bytes(_PROBE_BYTES))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            full = error.errno == errno.ENOSPC
            advice = "free some space, or set" if full else "set"
            raise LocalClusterError(
                f"cannot use the state directory {self.path}: {error.strerror}"
                f"{f': {error.filename}' if error.filename else ''}; "
                f"{advice} MUSTER_HOME to a directory you can write"
            ) from error

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """Sockets; outside `path` when that is too deep for a socket's name."""
        inside = self.path / "run"
        if len(str(inside / "postgres" / ".s.PGSQL.5432.lock")) <= _LONGEST_SOCKET_PATH:
            return inside
        tag = f"{zlib.crc32(str(self.path).encode()):08x}"
        return Path(tempfile.gettempdir()) / f"muster-{os.geteuid()}-{tag}"

    @property
    def control_socket(self) -> Path:
        """Where the one-process cluster listens for status, kill, freeze, ..."""
        return self.run / "control.sock"

    @property
    def supervisor_socket(self) -> Path:
        return self.run / "supervisor.sock"

    @property
    def relay_socket(self) -> Path:
        """Where the relay of a cluster whose network can be cut is told what to do."""
        return self.run / "relay.sock"

    @property
    def cluster_file(self) -> Path:
        """What runs (mode, addresses, passwords' origin), as JSON; written when it is ready."""
        return self.path / "cluster.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the running cluster for as long as it lives; never stale."""
        return self.path / "cluster.lock"

    @property
    def clouds_file(self) -> Path:
        return self.path / "clouds.yaml"

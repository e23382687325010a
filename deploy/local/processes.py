"""The cluster of processes: every service, PostgreSQL and RabbitMQ under one supervisor.

Owns: one settings file per service, starting the supervisor, waiting until all are ready.
May not: know what a service does. Crash story: a supervisor killed by force leaves its children
behind; `orphans` ends them by their mark when the next cluster starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.local import orphans, toml
from deploy.local.home import ROOT, LocalClusterError
from deploy.local.plan import (
    Member,
    Options,
    Plan,
    common_for,
    describe,
    merged,
    write_clouds,
    write_private,
)
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.relay import Line, line_to, write_plan
from deploy.local.supervisor import (
    STOP_WAIT_S,
    Program,
    SupervisorControl,
    supervisor_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.config.settings import DatabaseSettings

READY_DEADLINE_S = 90.0
MORE_PER_HOST_S = 0.05
NO_BUS = frozenset({"metadata", "standins"})
LEAN = {
    # glibc gives back what start-up needed only once; measured: a MiB per process.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TOP_PAD_": "16384",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "PYTHONNODEBUGRANGES": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
POOL_SIZES = {"api": 4, "conductor": 4, "consoles": 2, "metadata": 2, "scheduler": 2}
"""Each database session is a PostgreSQL process; few are enough on one machine."""


def free_ports(count: int) -> list[int]:
    """Distinct ports that are free now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _plain(value: Any) -> Any:
    """Settings with secrets as text: the file they go into is for its owner only."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


class ProcessCluster:
    """Writes the files of one cluster, starts its supervisor, waits for its services."""

    def __init__(self, plan: Plan, options: Options) -> None:
        self.plan = plan
        self._options = options
        self._programs: list[Program] = []
        self._lines: list[Line] = []
        self._ready_urls: dict[str, str] = {}
        self._common: dict[str, Any] = plan.common
        self._supervisor: subprocess.Popen[bytes] | None = None

    def write(self) -> None:
        home = self.plan.home
        self._add_database()
        self._add_broker()
        (home.path / "config").mkdir(mode=0o700, exist_ok=True)
        ports = free_ports(len(self.plan.members))
        for member, port in zip(self.plan.members, ports, strict=True):
            self._add_member(member, port)
        if self._options.cuttable:
            self._add_relay()
        write_private(home.path / "supervisord.conf", supervisor_config(home, self._programs))

    def _add_database(self) -> None:
        home = self.plan.home
        url = self._options.database_url
        if url is None:
            data, run = home.path / "postgres", home.run / "postgres"
            postgres = EmbeddedPostgres(data, run)
            url = postgres.url
            command = [sys.executable, "-m", "deploy.local.postgres", str(data), str(run)]
            self._programs.append(Program("postgres", command, 10, "INT"))
        self._common = merged(self._common, {"database": {"url": url}})

    def _add_broker(self) -> None:
        url = self._options.broker_url
        if url is not None:
            _check_broker(url)
            bus = broker_settings(url)
        else:
            from deploy.local.rabbitmq import PrivateRabbitMQ

            broker = PrivateRabbitMQ(self.plan.home.path / "rabbitmq")
            bus = {"url": broker.url, "password": broker.password}
            command = [sys.executable, "-m", "deploy.local.rabbitmq", str(broker.data_dir)]
            self._programs.append(Program("rabbitmq", command, 10))
        self._common = merged(self._common, {"bus": bus})

    def _add_relay(self) -> None:
        file = self.plan.home.path / "config" / "relay.json"
        write_plan(file, self.plan.home.relay_socket, self._lines)
        command = [sys.executable, "-m", "deploy.local.relay", str(file)]
        self._programs.append(Program("relay", command, 20))

    def _relayed(self, member: Member) -> dict[str, Any]:
        """Settings by which a member reaches what it leans on through lines of its own."""
        kinds = {"bus": member.kind not in NO_BUS, "database": member.kind in POOL_SIZES}
        services = [service for service, needed in kinds.items() if needed]
        own: dict[str, Any] = {}
        for service, port in zip(services, free_ports(len(services)), strict=True):
            line, url = line_to(self._common[service]["url"], member.name, service, port)
            self._lines.append(line)
            own[service] = {"url": url}
        return own

    def _add_member(self, member: Member, port: int) -> None:
        from common.config.settings import Settings

        pool = POOL_SIZES.get(member.kind)
        own = merged(member.settings, {"database": {"pool_size": pool}} if pool else {})
        if self._options.cuttable:
            own = merged(own, self._relayed(member))
        if member.kind != "standins":
            own = merged(own, {"health": {"listen_port": port, "listen_host": "127.0.0.1"}})
            self._ready_urls[member.name] = f"http://127.0.0.1:{port}/readyz"
        settings = Settings(**merged(common_for(member, self._common), own))
        if member.kind == "standins":
            self._ready_urls[member.name] = f"{self.plan.standins_url}/readyz"
        file = self.plan.home.path / "config" / f"{member.name}.toml"
        write_private(file, toml.dump(_plain(settings.model_dump())))
        # Supervisor's own syntax for environments has no way to quote every path.
        start = ["/usr/bin/env", f"MUSTER_CONFIG={file}", sys.executable]
        command = [*start, "-m", f"services.{member.kind}"]
        self._programs.append(Program(member.name, command, 50))

    def start(self, lock: int, step: Callable[[str], None]) -> None:
        """Return when all services are ready; the supervisor holds the cluster's lock then."""
        home = self.plan.home
        self._supervisor = self._start_supervisor(lock)
        step("database")
        own = self._options.database_url is None
        asyncio.run(_migrate(self._database_settings(), self._check_alive, wait=own))
        self._wait_ready(step)
        write_clouds(self.plan)
        description = describe(self.plan, self._options, self._supervisor.pid)
        write_private(home.cluster_file, json.dumps(description, indent=2))

    def _start_supervisor(self, lock: int) -> subprocess.Popen[bytes]:
        home = self.plan.home
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        config = home.path / "supervisord.conf"
        home.supervisor_socket.unlink(missing_ok=True)
        with (home.logs / "supervisord.out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env={
                    **inherited,
                    "MUSTER_HOME": str(home.path),
                    orphans.MARK: str(home.path),
                    "PYTHONPATH": str(ROOT),
                    **LEAN,
                },
                pass_fds=(lock,),
                start_new_session=True,
            )

    def stop(self) -> None:
        """End what `start` began, in whatever state it is."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(STOP_WAIT_S)

    def wait(self) -> int:
        """The supervisor's exit code, when the cluster has ended."""
        return self._supervisor.wait() if self._supervisor is not None else 0

    def _database_settings(self) -> DatabaseSettings:
        from common.config.settings import Settings

        return Settings(**self._common).database

    def _check_alive(self) -> None:
        """Raises when waiting is in vain."""
        home = self.plan.home
        code = self._supervisor.poll() if self._supervisor is not None else None
        if code is not None:
            raise LocalClusterError(
                f"supervisor ended with code {code}; see {home.logs}/supervisord.log"
            )
        if not home.supervisor_socket.exists():
            return
        for member in SupervisorControl(home).members():
            if member["state"] in {"failed", "killed"}:
                name = member["name"]
                raise LocalClusterError(
                    f"{name} ended while starting: {_last_reason(home.logs / f'{name}.log')} "
                    f"(./muster logs {name})"
                )

    def _wait_ready(self, step: Callable[[str], None]) -> None:
        """Poll /readyz of every service until each has said yes once."""
        deadline_s = READY_DEADLINE_S + self._options.hosts * MORE_PER_HOST_S
        deadline = time.monotonic() + deadline_s
        waiting = dict(self._ready_urls)
        while waiting:
            waiting = {name: url for name, url in waiting.items() if not _is_ready(url)}
            self._check_alive()
            if waiting and time.monotonic() > deadline:
                raise LocalClusterError(
                    f"not ready after {deadline_s:.0f} s: {', '.join(waiting)}; "
                    f"see ./muster logs {next(iter(waiting))}"
                )
            total = len(self._ready_urls)
            step(f"{total - len(waiting)} of {total} services ready")
            time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own URL
            return bool(answer.status == 200)
    except OSError:
        return False


def _last_reason(log: Path) -> str:
    """The last thing a program said, shortened."""
    try:
        last = log.read_text(errors="replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return "it said nothing"
    with contextlib.suppress(ValueError, AttributeError):
        entry = json.loads(last)
        last = str(entry.get("reason") or entry.get("event"))
    return last[:300]


async def _migrate(
    settings: DatabaseSettings, check_alive: Callable[[], None], *, wait: bool
) -> None:
    """Bring the schema up to date; with `wait` the server is just being started."""
    from common.db import migrate
    from deploy.local.database import checked

    deadline = time.monotonic() + READY_DEADLINE_S
    while True:
        try:
            await checked(migrate.upgrade(settings), settings.url)
            return
        except LocalClusterError:
            if not wait or time.monotonic() > deadline:
                raise
        check_alive()
        await asyncio.sleep(0.05)


def broker_settings(url: str) -> dict[str, Any]:
    """Settings for a URL that may carry its password, which the settings keep apart."""
    parts = urllib.parse.urlsplit(url)
    if parts.password is None:
        return {"url": url}
    address = parts.netloc.rpartition("@")[2]
    bare = parts._replace(netloc=f"{parts.username}@{address}").geturl()
    return {"url": bare, "password": urllib.parse.unquote(parts.password)}


def _check_broker(url: str) -> None:
    """Whether anything answers at the address; a wrong password is the services' to report."""
    parts = urllib.parse.urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 5672), timeout=3):
            pass
    except (OSError, ValueError) as error:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise LocalClusterError(
            f"no RabbitMQ answers at {shown} ({error}); start it, or correct --broker-url"
        ) from error

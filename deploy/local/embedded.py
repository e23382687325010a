"""The one-process cluster: every service in one event loop, memory bus, embedded PostgreSQL.

Owns: the composition root of `muster up`, and starting, stopping, killing, freezing single
services in it.
May not: do what a service should do; the services here are the ones of every deployment.
Crash story: state is in PostgreSQL and in the hosts' directories, so a killed cluster comes back
as it was with the next `muster up`. PostgreSQL is told by the kernel when its parent dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from deploy.local.freezing import FreezableBus, FreezableClock, Gate
from deploy.local.home import Home, LocalClusterError
from deploy.local.plan import (
    Member,
    Options,
    Plan,
    common_for,
    describe,
    make_plan,
    merged,
    write_clouds,
    write_private,
)
from deploy.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    import asyncpg

    from common.bus.memory import MemoryBroker
    from common.bus.port import Bus
    from common.config.settings import DatabaseSettings, HealthSettings, Settings
    from common.messages.base import Message
    from common.runtime.service import Service
    from common.telemetry.health import HealthServer

log = structlog.get_logger(__name__)

STOP_DEADLINE_S = 20.0
READY_DEADLINE_S = 60.0
NEEDS_DATABASE = frozenset({"api", "conductor", "consoles", "metadata", "scheduler"})
STOP_WAVES = (
    {"compute"},
    {"api", "consoles", "metadata", "scheduler"},
    {"conductor"},
    {"standins"},
)
"""Hosts first, stand-ins last, so that everyone can say goodbye to someone."""

Progress = Callable[[str], None]


@dataclass
class Running:
    """One service instance that lives."""

    service: Service
    bus: Bus
    gate: Gate


@dataclass
class Slot:
    """The place of one member; `running` is None while it is stopped or killed."""

    member: Member
    settings: Settings
    running: Running | None = None
    ended_as: str = "stopped"
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def state(self) -> str:
        if self.running is None:
            return self.ended_as
        return "frozen" if self.running.gate.closed else "running"


class EmbeddedCluster:
    """Built from a plan; `start()` returns when everything serves."""

    def __init__(self, plan: Plan, options: Options, *, log_fd: int) -> None:
        self.plan = plan
        self._options = options
        self._log_fd = log_fd
        self._postgres: EmbeddedPostgres | None = None
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._broker: MemoryBroker | None = None
        self._health: HealthServer | None = None
        self._slots: dict[str, Slot] = {}

    async def start(self, progress: Progress) -> None:
        """Database and imports at the same time, then all services at the same time."""
        from common.config.exposure import refusal
        from common.config.settings import Settings

        progress("database")
        preparing = asyncio.create_task(asyncio.to_thread(self._start_postgres))
        try:
            # Importing what will run takes longer than PostgreSQL does; both cores are used.
            await asyncio.to_thread(_import_services)
        finally:
            url = await preparing
        common = merged(self.plan.common, {"database": {"url": url}})
        for member in self.plan.members:
            settings = Settings(**merged(common_for(member, common), member.settings))
            if (reason := refusal(settings, member.kind, broker=False)) is not None:
                raise LocalClusterError(reason)
            self._slots[member.name] = Slot(member, settings)
        self._pool = await self._open_database(Settings(**common).database)
        from common.bus.memory import MemoryBroker

        self._broker = MemoryBroker()
        progress("services")
        await self._start_slot(self._slots["standins"])
        rest = [slot for name, slot in self._slots.items() if name != "standins"]
        await asyncio.gather(*(self._start_slot(slot) for slot in rest))
        await self._listen(Settings(**common).health)

    async def _listen(self, settings: HealthSettings) -> None:
        """One listener for all, since they share the process."""
        if settings.listen_port is None:
            return
        from common.telemetry.health import HealthServer

        self._health = HealthServer(settings.listen_host, settings.listen_port, self._checks)
        await self._health.start()

    def _checks(self) -> dict[str, bool]:
        return {name: slot.state == "running" for name, slot in self._slots.items()}

    def _start_postgres(self) -> str:
        if self._options.database_url:
            return self._options.database_url
        home = self.plan.home
        self._postgres = EmbeddedPostgres(home.path / "postgres", home.run / "postgres")
        self._postgres.start(self._log_fd)
        return self._postgres.url

    async def _open_database(self, settings: DatabaseSettings) -> asyncpg.Pool[asyncpg.Record]:
        from common.db import migrate
        from common.db.pool import open_pool
        from common.db.version import SCHEMA_VERSION
        from common.runtime.ports import Clock
        from deploy.local.database import checked

        found = await checked(migrate.current(settings), settings.url)
        if found is None or found <= SCHEMA_VERSION:
            await checked(migrate.upgrade(settings), settings.url)
        return await open_pool(settings, Clock(), application="muster")

    async def _start_slot(self, slot: Slot) -> None:
        from common.bus.memory import MemoryBus
        from common.runtime.ports import Ports

        if self._broker is None:
            raise LocalClusterError("the cluster is not started")
        structlog.contextvars.bind_contextvars(service=slot.member.name)
        gate = Gate()
        clock = FreezableClock(gate)
        bus = FreezableBus(MemoryBus(self._broker, clock=clock, user=slot.member.name), gate)
        await bus.start()
        pool = self._pool if slot.member.kind in NEEDS_DATABASE else None
        app = importlib.import_module(f"services.{slot.member.kind}.app")
        service = app.create(slot.settings, Ports(bus=bus, pool=pool, clock=clock))
        try:
            await service.start()
        except BaseException:
            await bus.crash()
            raise
        slot.running = Running(service, bus, gate)

    async def _stop_slot(self, slot: Slot) -> None:
        running = slot.running
        if running is None:
            return
        running.gate.open()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await running.service.stop()
                await running.bus.stop()
        except TimeoutError:
            log.error("stop_took_too_long", member=slot.member.name)
            await running.service.crash()
            await running.bus.crash()
        slot.running, slot.ended_as = None, "stopped"

    async def _kill_slot(self, slot: Slot) -> None:
        running = slot.running
        if running is None:
            return
        # The gate stays as it is: nothing of a killed frozen service may move again.
        await running.bus.crash()
        await running.service.crash()
        slot.running, slot.ended_as = None, "killed"

    async def act(self, action: str, name: str) -> str:
        """Carry out kill, stop, start, freeze or thaw; the new state. Repeats are harmless."""
        slot = self._slots.get(name)
        if slot is None:
            raise LocalClusterError(f"there is no service {name!r}; there are: {self._names()}")
        if action in {"cut", "mend"}:
            raise LocalClusterError(
                "one process has no network that could be cut; use a cluster of processes: "
                "./muster up --processes --cuttable"
            )
        async with slot.busy:
            running = slot.running
            if action == "start" and running is None:
                await self._start_slot(slot)
            elif action == "stop":
                await self._stop_slot(slot)
            elif action == "kill":
                await self._kill_slot(slot)
            elif action in {"freeze", "thaw"}:
                if running is None:
                    raise LocalClusterError(f"{name} is {slot.state}; start it first")
                if slot.member.kind != "compute":
                    raise LocalClusterError(
                        f"{name} shares its process with the others and only hosts can be frozen "
                        "then; use a cluster of processes: ./muster up --processes"
                    )
                running.gate.close() if action == "freeze" else running.gate.open()
        log.info("service_control", action=action, member=name, state=slot.state)
        return slot.state

    async def ask(self, questions: Mapping[str, Message]) -> dict[str, Message]:
        """The answers of hosts to messages from outside."""
        from common.bus.memory import MemoryBus
        from deploy.local.host_calls import ask_over

        if self._broker is None:
            raise LocalClusterError("the cluster is not started")
        bus = MemoryBus(self._broker, user="control")
        await bus.start()
        try:
            return await ask_over(bus, questions)
        finally:
            await bus.stop()

    def _names(self) -> str:
        return ", ".join(self._slots)

    def status(self) -> list[dict[str, Any]]:
        """Name, kind and state of every member."""
        return [
            {"name": name, "kind": slot.member.kind, "state": slot.state, "pid": os.getpid()}
            for name, slot in self._slots.items()
        ]

    async def stop(self) -> None:
        """In waves."""
        if self._health is not None:
            await self._health.stop()
        for kinds in STOP_WAVES:
            slots = [slot for slot in self._slots.values() if slot.member.kind in kinds]
            await asyncio.gather(*map(self._stop_slot, slots), return_exceptions=True)
        if self._pool is not None:
            from common.db.pool import close_pool

            await close_pool(self._pool)
        if self._postgres is not None:
            await asyncio.to_thread(self._postgres.stop)


def _import_services() -> None:
    for kind in sorted(set[str]().union(*STOP_WAVES)):
        importlib.import_module(f"services.{kind}.app")


async def run(plan: Plan, options: Options, progress: Progress, *, log_fd: int) -> None:
    """Be the cluster until SIGTERM, SIGINT or `muster down`."""
    from deploy.local.control import serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: os._exit(130) if stop.is_set() else stop.set())
    cluster = EmbeddedCluster(plan, options, log_fd=log_fd)
    control = None
    try:
        starting = asyncio.create_task(cluster.start(progress))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return
        starting.result()
        control = await serve(cluster, plan.home.control_socket, stop)
        write_clouds(plan)
        write_private(
            plan.home.cluster_file, json.dumps(describe(plan, options, os.getpid()), indent=2)
        )
        progress("ready")
        await stop.wait()
        log.info("cluster_stopping")
    finally:
        with contextlib.suppress(FileNotFoundError):
            plan.home.cluster_file.unlink()
        await cluster.stop()
        if control is not None:
            await control.cleanup()


def main() -> int:
    """`python -m deploy.local.embedded OPTIONS_JSON PROGRESS_FD`: the background process."""
    from pydantic import ValidationError

    from common.config.loading import explain
    from common.config.settings import load
    from common.errors import MusterError
    from common.telemetry import logs

    options = Options.from_json(sys.argv[1])
    home = Home.find()
    with os.fdopen(int(sys.argv[2]), "w", buffering=1) as pipe:

        def progress(stage: str) -> None:
            with contextlib.suppress(OSError):
                pipe.write(f"{stage}\n")
                if stage == "ready":
                    pipe.close()

        try:
            logs.configure(load().log, "muster")
            plan = make_plan(options, home)
            _loop(run(plan, options, progress, log_fd=sys.stderr.fileno()))
        except ValidationError as error:
            progress(f"usage {'; '.join(explain(error))}")
            return 2
        except (LocalClusterError, MusterError, OSError) as error:
            progress(f"error {error}")
            with contextlib.suppress(OSError):  # the log's disk may be what is full
                log.error("cluster_failed", reason=str(error))
            return 1
        except Exception as error:
            progress(f"error {type(error).__name__}: {error}; the log has more: ./muster logs")
            log.exception("cluster_failed")
            return 1
    return 0


def _loop(main: Any) -> None:
    import uvloop

    uvloop.run(main)


def take_lock(home: Home) -> int:
    """The descriptor of the cluster lock, inheritable; raises BlockingIOError while one runs."""
    lock = os.open(home.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    os.set_inheritable(lock, True)
    return lock


if __name__ == "__main__":
    sys.exit(main())

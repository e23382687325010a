"""Runs one service as a process: `run("api", create)` is all a `__main__.py` says.

Owns: reading settings, logging, event loop, the connections of `Ports`, signals, exit codes.
May not: know what any service does.
Exit codes: 0 asked to stop and stopped; 1 failed; 2 the settings are wrong; 3 the database cannot
be used (another schema, wrong credentials); 130 told twice to stop.
Crash story: a service that fails to start or dies ends the process; its supervisor decides.
"""

# ruff: noqa: E402
from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

# structlog's console renderer loads rich (7 MiB in every process) wherever it is installed.
# A service has no use for it; a name that is None counts as not installed.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]

import structlog

from common.config.exposure import refusal
from common.config.loading import EXIT_BAD_SETTINGS, load_or_exit
from common.errors import MusterError
from common.runtime.ports import Ports
from common.runtime.service import Service

if TYPE_CHECKING:
    from common.bus.port import Bus
    from common.config.settings import Settings

log = structlog.get_logger(__name__)

EXIT_FAILED = 1
EXIT_DATABASE = 3
EXIT_FORCED = 130
STOP_DEADLINE_S = 25.0
"""Below the 30 s that container runtimes and supervisors give before they kill."""
NEEDS_DATABASE = frozenset({"api", "conductor", "consoles", "metadata", "scheduler"})
NEEDS_NO_BUS = frozenset({"metadata", "standins"})

Create = Callable[["Settings", Ports], Service]


class _Process:
    """One service from its first connection to its last goodbye."""

    def __init__(self, service: str, create: Create, settings: Settings) -> None:
        self._service = service
        self._create = create
        self._settings = settings
        self._stop = asyncio.Event()
        self._ports = Ports(bus=None)  # type: ignore[arg-type] # filled by _connect
        self._started = False

    def ready(self) -> dict[str, bool]:
        """The conditions behind /readyz."""
        checks = {"started": self._started}
        if self._service not in NEEDS_NO_BUS:
            bus: Bus | None = self._ports.bus
            checks["bus"] = bus is not None and bus.connected
        return checks

    async def run(self) -> None:
        """Serve until a signal; the second signal, or a stop that takes too long, ends at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        async with contextlib.AsyncExitStack() as cleanup:
            await self._listen(cleanup)
            if not await self._unless_stopped(self._connect(cleanup)):
                return
            running = self._create(self._settings, self._ports)
            cleanup.push_async_callback(running.stop)
            if not await self._unless_stopped(running.start()):
                return
            self._started = True
            log.info("started")
            await self._stop.wait()
            self._started = False
        log.info("stopped")

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            log.warning("stopping_at_once", signal=number.name)
            os._exit(EXIT_FORCED)
        log.info("stopping", signal=number.name)
        self._stop.set()
        asyncio.get_running_loop().call_later(STOP_DEADLINE_S, self._give_up)

    def _give_up(self) -> None:
        waiting = {task.get_name(): _where(task) for task in asyncio.all_tasks()}
        log.error("stop_took_too_long", deadline_s=STOP_DEADLINE_S, waiting=waiting)
        os._exit(EXIT_FAILED)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """True when `work` finished; False, with `work` cancelled, when a stop came first."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            stopping.cancel()
            working.result()
            return True
        working.cancel()
        await asyncio.wait({working})
        return False

    async def _listen(self, cleanup: contextlib.AsyncExitStack) -> None:
        health = self._settings.health
        if health.listen_port is None:
            return
        from common.telemetry.health import HealthServer

        server = HealthServer(health.listen_host, health.listen_port, self.ready)
        await server.start()
        cleanup.push_async_callback(server.stop)

    async def _connect(self, cleanup: contextlib.AsyncExitStack) -> None:
        """Fill the ports, waiting for what is not there yet."""
        ports = self._ports
        if self._service in NEEDS_DATABASE:
            from common.db.pool import close_pool, open_pool

            ports.pool = await open_pool(
                self._settings.database, ports.clock, application=f"muster-{self._service}"
            )
            cleanup.push_async_callback(close_pool, ports.pool)
        if self._service not in NEEDS_NO_BUS:
            from common.bus.rabbitmq import RabbitBus

            ports.bus = RabbitBus(self._settings.bus, ports.clock, ports.random, self._service)
            cleanup.push_async_callback(ports.bus.stop)
            await ports.bus.start()


def _where(task: asyncio.Task[Any]) -> str:
    """The chain of awaits a task hangs in, outermost first."""
    places = []
    step: Any = task.get_coro()
    while step is not None:
        frame = getattr(step, "cr_frame", None) or getattr(step, "gi_frame", None)
        if frame is not None:
            places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None)
    return " > ".join(places)


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def run(service: str, create: Create) -> NoReturn:
    """Be that service until told to stop; ends the process with the exit codes above."""
    from common.telemetry import logs

    settings = load_or_exit(f"muster-{service}")
    logs.configure(settings.log, service)
    if (reason := refusal(settings, service)) is not None:
        log.error("cannot_run", reason=reason)
        sys.exit(EXIT_BAD_SETTINGS)
    try:
        _run_loop(_Process(service, create, settings).run())
    except MusterError as error:
        log.error("cannot_run", reason=str(error))
        sys.exit(EXIT_DATABASE if error.code == "database_unusable" else EXIT_FAILED)
    except OSError as error:
        log.error("cannot_run", reason=_explain_os_error(error))
        sys.exit(EXIT_FAILED)
    except Exception:
        log.exception("crashed")
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def _explain_os_error(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{error.strerror or error}: stop the other process or change listen_port"
    if error.errno == errno.ENOSPC:
        return f"the disk is full: {error.filename or error}"
    return str(error)

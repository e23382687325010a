"""The conductor: runs workflows, hears hosts.

Owns: wiring of the engine, the hosts' conversation and the periodic turns.
May not: answer users. Any number of conductors run side by side.
Crash story: leases run out and another conductor resumes each workflow at its next step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import aiohttp
import structlog
from prometheus_client import Counter, Gauge

from common.auth.session import ServiceSession
from common.bus.port import Delivery, RejectMessage, Subscription
from common.bus.topology import CONDUCTOR, HOSTS
from common.config.settings import Settings
from common.db.stores import services as services_store
from common.messages.compute import GuestEvent, HostGoodbye, HostReport
from common.messages.network import VIF_PLUGGED_TOPIC, PortsChanged, VifPlugged
from common.messages.workflow import CANCEL_TOPIC, CancelWorkflow, RunWorkflow
from common.neighbours.image import ImageClient
from common.neighbours.network import NetworkClient
from common.neighbours.vendor_data import VendorData
from common.neighbours.volume import VolumeClient
from common.runtime.ports import Ports
from common.runtime.tasks import Tasks
from services.conductor import addresses
from services.conductor.engine.context import Deps
from services.conductor.engine.definition import Definition
from services.conductor.engine.workers import Workers
from services.conductor.heartbeats import Listener
from services.conductor.hosts import Hosts
from services.conductor.port_news import PortNews
from services.conductor.reconcilers import TASKS, Task
from services.conductor.workflows import DEFINITIONS

log = structlog.get_logger(__name__)

BINARY = "nova-conductor"

STEPS = Counter(
    "muster_workflow_steps", "Workflow steps by outcome", ["workflow", "step", "outcome"]
)
RUNNING = Gauge("muster_workflows_running", "Workflows this conductor holds")


RECONCILED = Counter("muster_reconciler_actions", "Actions begun by periodic tasks", ["task"])


def _counted(name: str, task: Task, deps: Deps) -> Callable[[], Awaitable[None]]:
    async def turn() -> None:
        RECONCILED.labels(name).inc(await task(deps))

    return turn


def _count(workflow: str, step: str, outcome: str) -> None:
    STEPS.labels(workflow, step, outcome).inc()


class Conductor:
    def __init__(
        self, settings: Settings, ports: Ports, definitions: Mapping[str, Definition]
    ) -> None:
        assert ports.pool is not None, "a conductor needs the database"
        self._definitions = definitions
        self._settings = settings
        self._ports = ports
        self._pool = ports.pool
        self._tasks = Tasks(ports.clock)
        self._work = Tasks(ports.clock)
        self._subscriptions: list[Subscription] = []
        self._http: aiohttp.ClientSession | None = None
        self._workers: Workers | None = None
        self._listener: Listener | None = None

    async def start(self) -> None:
        settings, ports = self._settings, self._ports
        timeout = aiohttp.ClientTimeout(total=settings.neighbours.timeout_s)
        self._http = aiohttp.ClientSession(timeout=timeout)
        session = ServiceSession(settings.identity, settings.neighbours, self._http, ports.clock)
        self._deps = deps = Deps(
            settings=settings,
            pool=self._pool,
            bus=ports.bus,
            clock=ports.clock,
            ids=ports.ids,
            random=ports.random,
            network=NetworkClient(session),
            image=ImageClient(session),
            volume=VolumeClient(session),
            vendor_data=VendorData(settings.metadata, session, self._http),
            port_news=PortNews(),
        )
        self._workers = workers = Workers(deps, self._definitions, self._work, _count)
        self._hosts = Hosts(deps)
        self._listener = listener = Listener(deps)
        RUNNING.set_function(lambda: len(workers))
        prefetch, sessions = settings.bus.prefetch, settings.database.pool_size
        self._subscriptions = [
            await ports.bus.subscribe(CANCEL_TOPIC, self._on_cancel),
            await ports.bus.subscribe(VIF_PLUGGED_TOPIC, self._on_vif_plugged),
            await ports.bus.consume(HOSTS, self._on_message, prefetch=sessions),
            await ports.bus.consume(CONDUCTOR, self._on_message, prefetch=prefetch),
        ]
        await listener.start()
        conductor, group = settings.conductor, settings.servicegroup
        self._tasks.loop("renew", conductor.lease_s / 4, workers.renew)
        self._tasks.loop("sweep", conductor.sweep_interval_s, workers.sweep)
        self._tasks.loop("report", group.report_interval_s, self._report)
        for name, make in TASKS.items():
            self._tasks.loop(name, conductor.reconcile_interval_s, _counted(name, make(), deps))

    async def _report(self) -> None:
        await services_store.service_report(
            self._pool, self._settings.conductor.host_name, BINARY, self._settings.servicegroup
        )

    async def _on_cancel(self, delivery: Delivery) -> None:
        assert isinstance(delivery.message, CancelWorkflow), delivery.message
        assert self._workers is not None
        self._workers.overtake(UUID(delivery.message.server_uuid))

    async def _on_vif_plugged(self, delivery: Delivery) -> None:
        message = delivery.message
        assert isinstance(message, VifPlugged), message
        self._deps.port_news.tell(message.port_id, failed=message.failed)

    async def _on_message(self, delivery: Delivery) -> None:
        message = delivery.message
        assert self._workers is not None
        if isinstance(message, RunWorkflow):
            await self._workers.wake(message.workflow_id, message.proposal)
        elif isinstance(message, HostReport):
            await self._ports.bus.reply(delivery, await self._hosts.on_report(message))
        elif isinstance(message, HostGoodbye):
            await self._hosts.on_goodbye(message)
        elif isinstance(message, GuestEvent):
            await self._hosts.on_guest_event(message)
        elif isinstance(message, PortsChanged):
            await addresses.on_changed(self._deps, message)
        else:
            raise RejectMessage(f"a conductor does not take {message.TYPE}")

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            await subscription.cancel()
        if self._listener is not None:
            await self._listener.stop()
        if self._workers is not None:
            await self._workers.hand_over()
        await self._tasks.stop()
        await self._work.stop()
        await services_store.service_goodbye(self._pool, self._settings.conductor.host_name, BINARY)
        await self._close()

    async def crash(self) -> None:
        if self._listener is not None:
            await self._listener.crash()
        await self._tasks.stop()
        await self._work.stop()
        await self._close()

    async def _close(self) -> None:
        if self._http is not None:
            await self._http.close()


def create(
    settings: Settings, ports: Ports, definitions: Mapping[str, Definition] = DEFINITIONS
) -> Conductor:
    """A conductor; see common/runtime/service.py for its life cycle. Tests pass `definitions`
    whose steps fail where they want them to."""
    return Conductor(settings, ports, definitions)

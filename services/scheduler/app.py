"""The scheduler: answers where servers can go.

Owns: wiring, and its row in table services; it writes nothing else. It proposes, conductors claim.
Any number of schedulers run side by side. Crash story: the broker gives an unanswered question to
another scheduler.
"""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Histogram

from common.bus.port import Delivery, RejectMessage, Subscription
from common.bus.topology import CONDUCTOR, SCHEDULER
from common.config.settings import Settings
from common.db.stores import services as services_store
from common.messages.scheduler import SelectHost
from common.messages.workflow import RunWorkflow
from common.runtime.ports import Ports
from common.runtime.tasks import Tasks
from services.scheduler.selection import Selector

log = structlog.get_logger(__name__)

BINARY = "nova-scheduler"

ANSWERS = Counter("muster_scheduler_answers", "Questions answered", ["outcome"])
SECONDS = Histogram("muster_scheduler_select_seconds", "From the question to the answer")


class Scheduler:
    def __init__(self, settings: Settings, ports: Ports) -> None:
        assert ports.pool is not None, "a scheduler needs the database"
        self._settings = settings
        self._bus = ports.bus
        self._pool = ports.pool
        self._tasks = Tasks(ports.clock)
        self._subscription: Subscription | None = None
        scheduler = settings.scheduler
        zone = settings.api.default_availability_zone
        self._selector = Selector(ports.pool, ports.clock, ports.random, scheduler, zone)

    async def start(self) -> None:
        self._subscription = await self._bus.consume(
            SCHEDULER, self._on_message, prefetch=self._settings.bus.prefetch
        )
        self._tasks.loop("report", self._settings.servicegroup.report_interval_s, self._report)

    async def _report(self) -> None:
        await services_store.service_report(
            self._pool, self._settings.scheduler.host_name, BINARY, self._settings.servicegroup
        )

    async def _on_message(self, delivery: Delivery) -> None:
        """A failing database raises: the bus delivers again, later."""
        question = delivery.message
        if not isinstance(question, SelectHost):
            raise RejectMessage(f"a scheduler does not take {question.TYPE}")
        with SECONDS.time():
            answer = await self._selector.select(question)
        ANSWERS.labels("selected" if answer.host else "no_valid_host").inc()
        answer = answer.model_copy(update={"request_id": question.request_id})
        if question.wakes and question.workflow_id is not None:
            wake_up = RunWorkflow(
                request_id=question.request_id,
                workflow_id=question.workflow_id,
                server_uuid=question.server_uuid,
                proposal=answer,
            )
            await self._bus.publish(CONDUCTOR, wake_up)
        else:
            await self._bus.reply(delivery, answer)

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.cancel()
        await self._tasks.stop()
        await services_store.service_goodbye(self._pool, self._settings.scheduler.host_name, BINARY)

    async def crash(self) -> None:
        await self._tasks.stop()


def create(settings: Settings, ports: Ports) -> Scheduler:
    """A scheduler; see common/runtime/service.py for its life cycle."""
    return Scheduler(settings, ports)

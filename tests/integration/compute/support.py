"""A conductor that answers as a test tells it, and agents to talk to it.

`Rig` holds one conductor and any number of compute services, each with a connection of its own;
`rig.start()` begins a life of a service, `rig.kill()` ends it as kill -9 does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.port import Bus, Delivery
from common.bus.topology import HEARTBEATS, HOSTS, host_queue
from common.config.settings import Settings
from common.messages.base import Message
from common.messages.compute import (
    GuestRelease,
    GuestReport,
    GuestSpec,
    Heartbeat,
    HostCommand,
    HostRecheck,
    HostReply,
    HostReport,
    HostVerdicts,
    Verdict,
)
from common.runtime.ports import Clock, Ports
from services.compute.app import ComputeService, create
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.drivers.support import make_spec
from tests.support.wait import wait_for

HOST = "compute-1"
M = TypeVar("M", bound=Message)
_workflows = itertools.count(1)


class JumpingClock(Clock):
    """Real time, which a test may let jump: what a frozen process sees when it goes on."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def utcnow(self) -> dt.datetime:
        return super().utcnow() + dt.timedelta(seconds=self.ahead_s)


class Conductor:
    """Keeps what it hears in `heard`, in order. `verdicts` by server uuid; `otherwise` for the
    rest; `judge` may know better; `refuse` is a reason not to accept reports. An answer is of the
    moment in which it was asked for, and is given when `answering` is set.

    With `asks_for_news` it does as real ones do about heartbeats: it remembers the inventory of
    which every guest was kept, and asks for a report when a heartbeat tells of another one."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self.bus = bus
        self.clock = clock
        self.heard: list[Message] = []
        self.verdicts: dict[str, Verdict] = {}
        self.otherwise: Verdict = "keep"
        self.judge: Callable[[HostReport, GuestReport], Verdict | None] = lambda *_: None
        self.refuse: Callable[[HostReport], str | None] = lambda _: None
        self.answering = asyncio.Event()
        self.answering.set()
        self.asks_for_news = False
        self._settled: dict[str, str | None] = {}

    async def start(self) -> None:
        await self.bus.consume(HOSTS, self._on_message, prefetch=100)
        await self.bus.consume(HEARTBEATS, self._on_message, prefetch=100)

    def all(self, kind: type[M], host: str = HOST) -> list[M]:
        return [m for m in self.heard if isinstance(m, kind) and m.host == host]  # type: ignore[attr-defined]

    def reports(self, kind: str, host: str = HOST) -> list[HostReport]:
        return [report for report in self.all(HostReport, host) if report.kind == kind]

    def questions(self) -> list[HostReport]:
        return self.reports("question")

    def heartbeats(self, host: str = HOST) -> int:
        return len(self.all(Heartbeat, host))

    async def _on_message(self, delivery: Delivery) -> None:
        message = delivery.message
        self.heard.append(message)
        if isinstance(message, Heartbeat) and self.asks_for_news:
            if self._settled.get(message.host) != message.inventory:
                await self.recheck(message.host)
        elif isinstance(message, HostReport):
            answer = self._answer(message)
            await self.answering.wait()
            await self.bus.reply(delivery, answer)

    def _answer(self, report: HostReport) -> HostVerdicts:
        if reason := self.refuse(report):
            return HostVerdicts(accepted=False, reason=reason)
        verdicts: dict[str, Verdict] = {
            guest.uuid: self.judge(report, guest) or self.verdicts.get(guest.uuid, self.otherwise)
            for guest in report.guests
        }
        if report.kind != "question":
            settled = set(verdicts.values()) <= {"keep"}
            self._settled[report.host] = report.inventory if settled else None
        return HostVerdicts(accepted=True, verdicts=verdicts)

    async def recheck(self, host: str = HOST) -> None:
        await self.bus.publish_event(f"host.{host}", HostRecheck(host=host))

    async def release(
        self, server: str, generation: int = 1, *, host: str = HOST, age_s: float = 0.0
    ) -> None:
        """Say that what the host has made is the server's guest."""
        sent_at = self.clock.utcnow() - dt.timedelta(seconds=age_s)
        event = GuestRelease(host=host, server_uuid=server, generation=generation, sent_at=sent_at)
        await self.bus.publish_event(f"host.{host}", event)

    async def tell(
        self,
        verb: str,
        server: str | GuestSpec,
        generation: int | None = None,
        *,
        host: str = HOST,
        workflow_id: int | None = None,
        attempt: int = 1,
        sent_at: dt.datetime | None = None,
        patience_s: float = 10.0,
        **params: Any,
    ) -> HostReply:
        """One command; its reply. Every command is of a new workflow and of the
        spec's generation (without a spec: 1) unless given."""
        spec = server if isinstance(server, GuestSpec) else None
        command = HostCommand(
            workflow_id=next(_workflows) if workflow_id is None else workflow_id,
            step=verb,
            attempt=attempt,
            server_uuid=spec.uuid if spec else str(server),
            generation=generation or (spec.generation if spec else 1),
            verb=verb,
            spec=spec,
            params=params,
            sent_at=sent_at or self.clock.utcnow(),
        )
        reply = await self.bus.call(host_queue(host), command, timeout_s=patience_s)
        assert isinstance(reply, HostReply), reply
        assert reply.command_id == command.command_id
        return reply

    async def spawn(self, host: str = HOST, **kwargs: Any) -> str:
        """A running guest, made and released as a build does it; its uuid."""
        spec = make_spec()
        reply = await self.tell("spawn", spec, host=host, **kwargs)
        assert reply.error is None, reply
        await self.release(spec.uuid, host=host)

        async def runs() -> bool:
            info = await self.tell("guest_info", spec.uuid, host=host)
            return not info.result["held"]

        await wait_for(runs)
        return spec.uuid


def new_uuid() -> str:
    return str(uuid.uuid4())


def code(reply: HostReply) -> str | None:
    return reply.error.code if reply.error else None


def read_log(state_dir: Path, server_uuid: str, host: str) -> list[str]:
    """What the driver log says about a server, with "host_started" between lives."""
    lines = (state_dir / host / "driver.log").read_bytes().splitlines()
    records = [orjson.loads(line) for line in lines]
    return [r["event"] for r in records if r["uuid"] in {None, server_uuid}]


@dataclass
class Life:
    """One running compute service."""

    service: ComputeService
    bus: MemoryBus

    def driver(self, host: str = HOST) -> SimulatedDriver:
        driver = self.service.agents[host].driver
        assert isinstance(driver, SimulatedDriver)
        return driver


class Rig:
    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.broker = MemoryBroker()
        self.clock = JumpingClock()
        self.conductor = Conductor(MemoryBus(self.broker), self.clock)
        self.lives: list[Life] = []
        self.sections: dict[str, Any] = {}
        """Further sections of the settings of services that start from now on."""

    async def begin(self) -> None:
        await self.conductor.bus.start()
        await self.conductor.start()

    def settings(self, **compute: Any) -> Settings:
        return Settings.model_validate(
            {
                "bus": {"call_timeout_s": 1.0},
                "servicegroup": {"report_interval_s": 0.05, "service_down_time_s": 1.0},
                **self.sections,
                "compute": {
                    "host_name": HOST,
                    "state_dir": self.state_dir,
                    "fence_gap_s": 5.0,
                    "simulated": {"spawn_delay_s": 0.0, "seed": 7},
                    **compute,
                },
            }
        )

    async def create(self, **compute: Any) -> Life:
        bus = MemoryBus(self.broker)
        await bus.start()
        life = Life(create(self.settings(**compute), Ports(bus=bus, clock=self.clock)), bus)
        self.lives.append(life)
        return life

    async def start(self, **compute: Any) -> Life:
        life = await self.create(**compute)
        await life.service.start()
        return life

    async def kill(self, life: Life) -> None:
        self.lives.remove(life)
        await life.bus.crash()
        await life.service.crash()

    async def stop(self, life: Life) -> None:
        self.lives.remove(life)
        await life.service.stop()
        await life.bus.stop()

    async def end(self) -> None:
        self.conductor.answering.set()
        for life in list(self.lives):
            await self.kill(life)
        await self.conductor.bus.crash()

    def log(self, uuid_: str, host: str = HOST) -> list[str]:
        return read_log(self.state_dir, uuid_, host)

    def after_boot(self, uuid_: str, host: str = HOST) -> list[str]:
        """What the driver log says about a guest after it has run for the first time."""
        events = self.log(uuid_, host)
        return events[events.index("running") + 1 :]

    def last_life(self, uuid_: str, host: str = HOST) -> list[str]:
        events = self.log(uuid_, host)
        last = len(events) - events[::-1].index("host_started")
        return events[last:]

"""Kill every kind of service under load, one after another, and count what became of the servers.

Owns: the load (boots, volumes and deletes by a client that repeats carefully), the kills and their
times, the verdict. May not: use another cluster than its own.
Crash story: see deploy/load/throwaway.py.

Kills follow progress, not the clock: the boots come in shares, the next one when the last victim is
back, and each victim is struck in the middle of a share. So every one dies with work in flight, on
a fast machine and on a slow one; that it did is part of the verdict.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from common.runtime.tasks import Tasks
from deploy.chaos.devices import Devices, from_volume
from deploy.chaos.invariants import Facts, wait_until_sound
from deploy.chaos.retrying_client import RetryingClient
from deploy.chaos.testbed import Say, Testbed, Timers, running_testbed
from deploy.load.boots import server_body
from deploy.load.client import Refused, Unreachable
from deploy.load.list_poller import ListPoller
from deploy.load.throwaway import throw_away

VICTIMS = ("api", "conductor-1", "scheduler-1", "compute-1", "rabbitmq")
PREFIX = "chaos-"
RUN_LIMIT_S = 240.0
POLL_S = 0.2


@dataclass(frozen=True)
class Options:
    count: int = 300
    concurrency: int = 20
    victims: tuple[str, ...] = VICTIMS
    restart_after_s: float = 1.5
    freeze: bool = False
    """SIGSTOP and SIGCONT instead of SIGKILL and a new start: who goes on must notice."""
    settle_s: float = 30.0
    """Within this long after the last kill everything must be at rest."""
    hosts: int = 3
    timers: Timers = field(default_factory=Timers)
    keep: bool = False


@dataclass
class Kill:
    """Times are seconds since the load began."""

    victim: str
    killed_at_s: float
    restarted_at_s: float = 0.0
    in_flight: int = 0
    """Servers on their way (to ACTIVE or to gone) at that moment, as the client sees it."""
    workflows: int = 0
    """Workflows in progress at that moment, as the database sees it."""


@dataclass
class Tally:
    """What happened, as it happens."""

    started: int = 0
    made: dict[str, str] = field(default_factory=dict)
    """Name by id."""
    refused: Counter[str] = field(default_factory=Counter)
    attached: Counter[int] = field(default_factory=Counter)
    """Requests to attach a volume, by the status of the last answer."""
    delete_asked: set[str] = field(default_factory=set)
    in_flight: set[int] = field(default_factory=set)
    finished: int = 0
    kills: list[Kill] = field(default_factory=list)
    ended_at_s: float = 0.0


class Load:
    """Servers that are booted, some deleted while they build, some afterwards, some kept."""

    def __init__(self, testbed: Testbed, options: Options) -> None:
        self._testbed = testbed
        self._clock = testbed.clock
        self._options = options
        self.tally = Tally()
        self.retrying = RetryingClient(testbed.client)
        self._devices = Devices(testbed, self.retrying)
        self._tasks = Tasks(self._clock)
        self._began = self._clock.monotonic()
        self._share = options.count // (len(options.victims) + 1)
        self._released = self._share
        """Servers that may be asked for so far."""
        self._building = self._poller(f"status=BUILD&name=%5E{PREFIX}")
        self._existing = self._poller(f"name=%5E{PREFIX}")

    def _poller(self, query: str) -> ListPoller:
        async def listing() -> set[str]:
            found = await self._testbed.client.server_list(query)
            return {server["id"] for server in found}

        patience_s = RUN_LIMIT_S  # the run's own deadline says when it is too long
        return ListPoller(listing, self._clock, interval_s=POLL_S, patience_s=patience_s)

    @property
    def now_s(self) -> float:
        """Since the load began."""
        return self._clock.monotonic() - self._began

    @property
    def count(self) -> int:
        """Servers that the load consists of."""
        return self._options.count

    @property
    def failed_polls(self) -> int:
        """Looks at the lists of servers that were not answered."""
        return self._building.failed_polls + self._existing.failed_polls

    async def run(self) -> None:
        """Return when the client has seen every server through, or at the deadline after the last
        kill: whatever it still waits for then is judged like the rest."""
        self._tasks.spawn("building", self._building.run())
        self._tasks.spawn("existing", self._existing.run())
        body = await server_body(self._testbed.client, "m1.tiny", "cirros", "private")
        self._began = self._clock.monotonic()
        numbers = iter(range(self._options.count))
        workers = self._tasks.spawn("workers", self._work(numbers, body))
        try:
            async with asyncio.timeout(RUN_LIMIT_S):
                await self._kill_each()
            last_kill_s = self.tally.kills[-1].killed_at_s if self.tally.kills else self.now_s
            async with asyncio.timeout(last_kill_s + self._options.settle_s - self.now_s):
                await workers
        except TimeoutError:
            return
        finally:
            self.tally.ended_at_s = self.now_s
            await self._tasks.stop()

    async def _work(self, numbers: Iterator[int], body: dict[str, Any]) -> None:
        workers = min(self._options.concurrency, self._options.count)
        await asyncio.gather(*(self._worker(numbers, body) for _ in range(workers)))

    async def _worker(self, numbers: Iterator[int], body: dict[str, Any]) -> None:
        for number in numbers:
            while number >= self._released:
                await self._clock.sleep(0.02)
            self.tally.started += 1
            self.tally.in_flight.add(number)
            server = from_volume(body) if number % 3 == 0 else body
            await self._life(number, {**server, "name": f"{PREFIX}{number:05}"})
            self.tally.in_flight.discard(number)
            self.tally.finished += 1

    async def _life(self, number: int, server: dict[str, Any]) -> None:
        """Every fourth is deleted while it builds, every fourth once it has ended building and
        been given a volume."""
        made, answer = await self.retrying.create(server)
        if made is None:
            self.tally.refused[f"{answer.status} {answer.reason}"] += 1
            return
        self.tally.made[made] = server["name"]
        if number % 4 != 0:
            await self._building.wait(made)
        if number % 4 in {1, 2}:
            self.tally.attached[(await self._devices.attach_volume(made)).status] += 1
        if number % 2 == 0:
            self.tally.delete_asked.add(made)
            answer = await self.retrying.ask("DELETE", f"/servers/{made}")
            if answer.status in (204, 404):
                await self._existing.wait(made)
            else:
                self.tally.refused[f"DELETE {answer.status} {answer.reason}"] += 1

    async def _kill_each(self) -> None:
        for victim in self._options.victims:
            while self.tally.started < self._released - self._share // 2:
                await self._clock.sleep(0.02)
            workflows = await self._testbed.pool.fetchval("select count(*) from workflows")
            kill = Kill(victim, self.now_s, 0.0, len(self.tally.in_flight), workflows)
            await self._testbed.act("freeze" if self._options.freeze else "kill", victim)
            self.tally.kills.append(kill)
            await self._clock.sleep(self._options.restart_after_s)
            await self._testbed.act("thaw" if self._options.freeze else "start", victim)
            kill.restarted_at_s = self.now_s
            self._released += self._share
        self._released = self._options.count


def report(load: Load, facts: Facts, wrong: list[str], settled_s: float) -> dict[str, Any]:
    """The counts of a run, JSON-ready. `settled_s`: from the last kill to rest."""
    tally = load.tally
    mine = {i: s for i, s in (facts.shown or {}).items() if s["name"].startswith(PREFIX)}
    statuses = Counter(server["status"] for server in mine.values())
    errors = Counter(
        server.get("fault", {}).get("message", "no reason given")[:160]
        for server in mine.values()
        if server["status"] == "ERROR"
    )
    gone = tally.made.keys() - mine.keys()
    undeleted = [i for i in tally.delete_asked if i in mine]
    failed_deletes = [i for i in undeleted if mine[i]["status"] == "ERROR"]
    wrong = list(wrong)
    for kill in tally.kills:
        if not kill.in_flight:
            wrong.append(
                f"idle: nothing was in flight when {kill.victim} was struck; raise --count"
            )
    if missing := len(gone - tally.delete_asked):
        wrong.append(f"lost: {missing} servers are gone and nobody deleted them")
    if unheard := len(undeleted) - len(failed_deletes):
        wrong.append(f"unheard: {unheard} servers were deleted and are there without an error")
    if unmade := load.count - len(tally.made):
        wrong.append(f"unmade: {unmade} servers were not accepted: {dict(tally.refused)}")
    return {
        "booted": len(tally.made),
        "refused": dict(tally.refused),
        "statuses": dict(statuses),
        "attached": dict(tally.attached),
        "errors": dict(errors),
        "delete_asked": len(tally.delete_asked),
        "delete_failed": len(failed_deletes),
        "gone": len(gone),
        "retried": dict(load.retrying.retried),
        "failed_polls": load.failed_polls,
        "kills": [_rounded(kill) for kill in tally.kills],
        "load_s": round(tally.ended_at_s, 1),
        "settled_s": round(settled_s, 1),
        "guests": len(facts.guests),
        "wrong": wrong,
    }


def _rounded(kill: Kill) -> dict[str, Any]:
    return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(kill).items()}


async def _run(home: Any, options: Options, say: Say) -> dict[str, Any]:
    async with running_testbed(home, connections=options.concurrency * 2 + 5) as testbed:
        load = Load(testbed, options)
        say(f"{options.count} boots, {options.concurrency} at a time; killing each in its turn")
        await load.run()
        last_kill = load.tally.kills[-1].killed_at_s if load.tally.kills else 0.0
        deadline = testbed.clock.monotonic() + last_kill + options.settle_s - load.now_s

        async def look() -> Facts:
            while True:
                try:
                    return await testbed.look()
                except (Unreachable, Refused):
                    if testbed.clock.monotonic() > deadline + options.settle_s:
                        raise
                    await testbed.clock.sleep(POLL_S)

        facts, wrong = await wait_until_sound(look, testbed.clock, deadline=deadline)
        settled_s = load.now_s - last_kill
        return report(load, facts, wrong, settled_s)


def kill_each(options: Options, say: Say) -> dict[str, Any]:
    """One run on a cluster of its own; `wrong` in the result is empty when all is well."""
    with throw_away(options.timers.settings()) as cluster:
        say(f"Starting a throw-away cluster in {cluster.home.path}")
        up_s = cluster.up("--processes", "--hosts", str(options.hosts))
        say(f"up after {up_s:.1f} s")
        result = asyncio.run(_run(cluster.home, options, say))
        cluster.keep = bool(result["wrong"]) or options.keep
        if cluster.keep:
            result["home"] = str(cluster.home.path)
        return result

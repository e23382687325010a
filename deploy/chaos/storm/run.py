"""Storms, one seed after another: everything is broken, everything is mended, everything is judged.

Owns: the course of a seed, its bounds in time, the verdict, and which cluster a seed runs on: one
for all as long as nothing is wrong, a new one after a failure.
May not: use another cluster than its own. Crash story: see deploy/load/throwaway.py.

A seed: its servers live their lives while faults strike (at most `STORM_S`); then everything that
was struck is whole, and within `SETTLE_S` nothing may be in progress or wrong (and `LAST_LOOK_S`
after the last request has ended, if that is later); then all servers are
deleted, and within `CLEAN_S` nothing may be left of them anywhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from common.runtime.tasks import Tasks
from deploy.chaos.invariants import Facts, wait_until_sound
from deploy.chaos.storm import tally
from deploy.chaos.storm.faults import Operator, Striker
from deploy.chaos.storm.lifecycles import Lives
from deploy.chaos.storm.plan import SERVERS, make_plan
from deploy.chaos.testbed import Say, Testbed, Timers, running_testbed
from deploy.load.client import Refused, Unreachable
from deploy.load.throwaway import ThrowAway, throw_away
from deploy.local.home import LocalClusterError

STORM_S = 60.0
SETTLE_S = 60.0
CLEAN_S = 30.0
LAST_LOOK_S = 15.0
"""For hosts' reports, when users' requests have taken all of `SETTLE_S`."""
POLL_S = 0.25
KEPT = 3
"""Clusters of failed seeds that stay for inspection; the others' are removed."""

QUICK = Timers(
    service_down_time_s=3.0,
    spawn_delay_s=0.8,
    more=(
        ("conductor__lease_s", 3.0),
        ("conductor__sweep_interval_s", 0.5),
        ("conductor__reconcile_interval_s", 1.0),
        ("conductor__host_command_resend_s", 1.0),
    ),
)


@dataclass(frozen=True)
class Options:
    seeds: tuple[int, ...] = tuple(range(1, 21))
    servers: int = SERVERS
    hosts: int = 5
    conductors: int = 2
    schedulers: int = 1
    timers: Timers = QUICK
    keep: bool = False


class Storm:
    """One seed."""

    def __init__(self, testbed: Testbed, seed: int, options: Options) -> None:
        self._testbed = testbed
        self._clock = testbed.clock
        self._seed = seed
        plan = make_plan(seed, steps_of_workflows(), servers=options.servers)
        self._tally = tally.Tally()
        prefix = f"storm-{seed}-"
        self._lives = Lives(testbed, plan, prefix, self._tally)
        self._striker = Striker(testbed, plan.faults, prefix, self._tally)
        self._operator = Operator(testbed, plan.evacuation, self._lives, self._striker)

    async def run(self) -> dict[str, Any]:
        began = self._clock.monotonic()
        tasks = Tasks(self._clock)
        tasks.spawn("watch", self._lives.watch.run())
        try:
            mended = await self._rage(tasks)
            now = self._clock.monotonic()
            facts = await self._settle(max(mended + SETTLE_S, now + LAST_LOOK_S))
            settled = self._clock.monotonic()
            self._look_at(facts)
            if not self._tally.wrong:
                await self._clean(settled + CLEAN_S)
        finally:
            await tasks.stop()
        return {
            "seed": self._seed,
            **self._tally.as_json(),
            "retried": dict(self._lives.retrying.retried),
            "storm_s": round(mended - began, 1),
            "settled_s": round(settled - mended, 1),
            "cleaned_s": round(self._clock.monotonic() - settled, 1),
        }

    async def _rage(self, tasks: Tasks) -> float:
        """Until the servers' lives are over, or time is; then nothing is struck any more. Returns
        when everything was whole again (monotonic)."""
        lives = tasks.spawn("lives", self._reported("lives", self._lives.run()))
        operator = tasks.spawn("operator", self._reported("operator", self._operator.run()))
        striker = tasks.spawn("striker", self._striker.run())
        await asyncio.wait({lives, operator}, timeout=STORM_S)
        striker.cancel()
        await self._striker.finish()
        mended = self._clock.monotonic()
        try:
            async with asyncio.timeout(SETTLE_S):
                await asyncio.wait({lives, operator})
                await self._lives.confirm_rest()
        except TimeoutError:
            self._tally.wrong.append(
                f"stuck: what was asked of servers did not end: {self._lives.unfinished} lives"
                f"{'' if operator.done() else ' and the evacuation'} go on"
            )
        return mended

    async def _reported(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (LocalClusterError, Unreachable) as error:
            self._tally.wrong.append(f"stuck: {name}: {error}")

    async def _settle(self, deadline: float) -> Facts:
        """Nothing in progress, nothing wrong, all hosts up."""
        facts, wrong = await wait_until_sound(
            lambda: look(self._testbed, deadline), self._clock, deadline=deadline
        )
        self._tally.wrong += wrong
        for name, host in (await self._testbed.hosts()).items():
            if host["state"] != "up":
                self._tally.wrong.append(f"stuck: {name} is down although all is mended")
        return facts

    def _look_at(self, facts: Facts) -> None:
        self._tally.errors = Counter(
            server.get("fault", {}).get("message", "no reason given")[:160]
            for server in (facts.shown or {}).values()
            if server["status"] == "ERROR"
        )

    async def _clean(self, deadline: float) -> None:
        """With the servers everything that belongs to them must go."""
        left = list(self._lives.watch.servers)
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                await asyncio.gather(*(self._lives.delete(uuid) for uuid in left))
        except TimeoutError:
            self._tally.wrong.append("unheard: servers were deleted and are still there")
        facts, wrong = await wait_until_sound(
            lambda: look(self._testbed, deadline), self._clock, deadline=deadline
        )
        self._tally.wrong += wrong
        self._tally.wrong += [f"unheard: {uuid} was deleted" for uuid in facts.servers]


async def look(testbed: Testbed, deadline: float) -> Facts:
    """All facts; an API that cannot answer just now is asked again until `deadline`."""
    while True:
        try:
            return await testbed.look()
        except (Unreachable, Refused):
            if testbed.clock.monotonic() > deadline:
                raise
            await testbed.clock.sleep(POLL_S)


def steps_of_workflows() -> dict[str, int]:
    from services.conductor.workflows import DEFINITIONS

    return {kind: len(definition.steps) for kind, definition in DEFINITIONS.items()}


async def _seeds(
    cluster: ThrowAway, seeds: list[int], options: Options, say: Say
) -> list[dict[str, Any]]:
    """Results in order, ending with the first that is not well; `seeds` loses those that ran."""
    results = []
    async with running_testbed(cluster.home) as testbed:
        while seeds:
            seed = seeds.pop(0)
            try:
                result = await Storm(testbed, seed, options).run()
            except (LocalClusterError, Unreachable) as error:
                failed = tally.Tally(wrong=[f"broken: {error}"])
                result = {"seed": seed, **failed.as_json()}
            say(line(result))
            results.append(result)
            if result["wrong"]:
                for text in (*result["strikes"], *(f"WRONG  {text}" for text in result["wrong"])):
                    say(f"    {text}")
                result["home"] = str(cluster.home.path)
                break
    return results


def line(result: dict[str, Any]) -> str:
    """One seed in a line."""
    asked = sum(asked for _, asked in result["operations"].values())
    done = sum(done for done, _ in result["operations"].values())
    verdict = "  ".join(f"{name} {result[name]}" for name in tally.QUESTIONS)
    seconds = sum(result.get(name, 0) for name in ("storm_s", "settled_s", "cleaned_s"))
    faults = sum(result["faults"].values())
    return (
        f"seed {result['seed']:>3}  {seconds:5.1f} s  {done} of {asked} operations, "
        f"{faults} faults ({result['missed']} missed):  {verdict}"
    )


def storm(options: Options, say: Say) -> dict[str, Any]:
    """All seeds; `wrong` in the result is empty when all is well."""
    left = list(options.seeds)
    results: list[dict[str, Any]] = []
    while left:
        with throw_away(options.timers.settings()) as cluster:
            say(f"Starting a throw-away cluster in {cluster.home.path}")
            cluster.up(*_arguments(options))
            results += asyncio.run(_seeds(cluster, left, options, say))
            failed = sum(bool(result["wrong"]) for result in results)
            cluster.keep = options.keep or (bool(results[-1]["wrong"]) and failed <= KEPT)
    return {
        "seeds": results,
        "total": tally.total(results),
        "wrong": [f"seed {r['seed']}: {text}" for r in results for text in r["wrong"]],
    }


def _arguments(options: Options) -> Iterable[str]:
    yield from ("--processes", "--cuttable")
    for name in ("hosts", "conductors", "schedulers"):
        yield from (f"--{name}", str(getattr(options, name)))

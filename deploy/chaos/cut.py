"""Cut a host off the network while it builds: nothing runs twice, and nothing is lost.

The host is neither killed nor frozen. It goes on with what it was told to make, and nobody can see
it or tell it to stop: silence alone must never start a second copy of anything that it runs.

Owns: the story, what is counted in it, the proof that it struck and that the judge would notice.
May not: use another cluster than its own. Crash story: see deploy/load/throwaway.py.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.chaos.invariants import (
    Facts,
    Guest,
    as_if_it_had_gone_on,
    guests_on_disk,
    wait_until_sound,
)
from deploy.chaos.testbed import Say, Testbed, Timers, running_testbed
from deploy.load.boots import server_body
from deploy.load.throwaway import throw_away
from deploy.local.home import Home

PREFIX = "cut-"
REBUILT_WITHIN_S = 90.0
SETTLED_WITHIN_S = 40.0
SLOW = Timers(service_down_time_s=6.0, spawn_delay_s=4.0)
"""A spawn takes long enough to be cut off in; builds elsewhere begin when it would have ended."""


@dataclass(frozen=True)
class Options:
    servers: int = 4
    into_spawn_s: float = 1.0
    """The cut comes so long after the last spawn has begun."""
    stay_s: float = 4.0
    """How much longer the cut lasts when all servers have been seen to elsewhere."""
    reset: bool = False
    """The cut ends with broken connections instead of late messages."""
    hosts: int = 3
    timers: Timers = SLOW
    keep: bool = False


class Story:
    """One run; `facts` fills up as it goes."""

    def __init__(self, testbed: Testbed, options: Options, say: Say) -> None:
        self._testbed = testbed
        self._client = testbed.client
        self._clock = testbed.clock
        self._options = options
        self._say = say
        self._host = ""
        self._servers: list[str] = []
        self._mended_at = 0.0
        self.facts: dict[str, Any] = {"servers": options.servers, "wrong": []}

    async def build_on_one(self) -> None:
        """All on one host, which is chosen as users' servers are: only it takes any just now."""
        hosts = await self._testbed.hosts()
        self._host, *others = sorted(hosts)
        for other in others:
            await self._testbed.enable(hosts[other], enabled=False)
        body = await server_body(self._client, "m1.tiny", "cirros", "private")
        for number in range(self._options.servers):
            server = {**body, "name": f"{PREFIX}{number:03}"}
            made = await self._client.must("POST", "/servers", {"server": server})
            self._servers.append(made["server"]["id"])

        async def all_spawning() -> bool:
            guests = await self._guests()
            return {g.uuid for g in guests if g.host == self._host} == set(self._servers)

        await self._testbed.until(f"spawns on {self._host}", all_spawning)
        began = self._clock.monotonic()
        for other in others:
            await self._testbed.enable(hosts[other], enabled=True)
        await self._clock.sleep(self._options.into_spawn_s - (self._clock.monotonic() - began))

    async def _guests(self) -> list[Guest]:
        mine = set(self._servers)
        return [g for g in guests_on_disk(await self._testbed.read_disks()) if g.uuid in mine]

    async def cut(self) -> None:
        """Until every server has been built elsewhere or given up, and some time more."""
        half_made = [g for g in await self._guests() if g.phase == "building"]
        connections = await self._testbed.cut(self._host)
        cut_at = self._clock.monotonic()
        self.facts |= {"host": self._host, "spawning_when_cut": len(half_made)}
        if len(half_made) != len(self._servers) or not connections:
            self.facts["wrong"].append(
                f"idle: {len(half_made)} of {len(self._servers)} servers were spawning on "
                f"{self._host} and {connections} connections were open when it was cut off"
            )
        self._say(f"{self._host} is cut off, {len(half_made)} servers are spawning on it")
        await self._testbed.until("servers elsewhere", self._all_seen_to, within_s=REBUILT_WITHIN_S)
        statuses = Counter(server["status"] for server in await self._mine())
        seen_to_s = round(self._clock.monotonic() - cut_at, 2)
        self.facts |= {"seen_to_after_s": seen_to_s, "statuses_while_cut": dict(statuses)}
        self._say(f"{_counts(statuses)}, elsewhere, {seen_to_s} s after the cut")
        await self._clock.sleep(self._options.stay_s)

        async def all_have_run() -> bool:
            return {g.uuid for g in await self._guests() if _made_here(g, self._host)} == set(
                self._servers
            )

        await self._testbed.until(f"the guests that {self._host} was told to make", all_have_run)
        copies = Counter(g.uuid for g in await self._guests() if g.phase == "ready")
        self.facts["there_twice"] = sum(count > 1 for count in copies.values())
        self.facts["cut_s"] = round(self._clock.monotonic() - cut_at, 2)

    async def _mine(self) -> list[dict[str, Any]]:
        return await self._client.server_list(f"name=%5E{PREFIX}", detail=True)

    async def _all_seen_to(self) -> bool:
        servers = await self._mine()
        return len(servers) == len(self._servers) and all(
            server["status"] == "ERROR"
            or (server["status"] == "ACTIVE" and server["OS-EXT-SRV-ATTR:host"] != self._host)
            for server in servers
        )

    async def mend(self) -> None:
        """The host is heard again, is told what became of its guests, and may serve."""
        self._mended_at = self._clock.utcnow().timestamp()
        mended = self._clock.monotonic()
        await self._testbed.mend(self._host, reset=self._options.reset)

        async def is_up() -> bool:
            return bool((await self._testbed.compute_service(self._host))["state"] == "up")

        await self._testbed.until(f"{self._host} up", is_up)
        self.facts["up_after_s"] = round(self._clock.monotonic() - mended, 2)
        self._say(f"{self._host} is back after {self.facts['cut_s']} s, and up")
        deadline = mended + SETTLED_WITHIN_S
        facts, wrong = await wait_until_sound(self._testbed.look, self._clock, deadline=deadline)
        self.facts["at_rest_after_s"] = round(self._clock.monotonic() - mended, 2)
        self.facts["wrong"] += wrong
        self._count(facts)

    def _count(self, facts: Facts) -> None:
        """What a user has now, and for how long there was more of it than asked for."""
        shown = facts.shown or {}
        statuses = Counter(shown[i]["status"] if i in shown else "gone" for i in self._servers)
        twice = [overlap for overlap in facts.overlaps if overlap.uuid in self._servers]
        self.facts |= {
            "statuses": dict(statuses),
            "guests": len(facts.guests),
            "ran_twice": len({overlap.uuid for overlap in twice}),
            "ran_twice_longest_s": round(max((o.end - o.start for o in twice), default=0.0), 2),
        }
        if statuses != {"ACTIVE": len(self._servers)}:
            self.facts["wrong"].append(f"not ACTIVE: {_counts(statuses)}")

    async def judge(self) -> None:
        """The same logs must convict a host whose new guests had executed as soon as they were
        made, as long as it was cut off."""
        await self._testbed.read_disks()
        with tempfile.TemporaryDirectory(prefix="muster-logs-") as scratch:
            noticed = as_if_it_had_gone_on(
                self._testbed.compute,
                self._host,
                self._servers,
                until=self._mended_at,
                scratch=Path(scratch),
            )
        seen = {overlap.uuid for overlap in noticed}
        self.facts["noticed_had_it_run_them"] = len(seen)
        if seen != set(self._servers):
            self.facts["wrong"].append(
                f"blind: had {self._host} run what it made, only {len(seen)} of "
                f"{len(self._servers)} doubles would have been noticed"
            )
        self._say(
            f"made on two hosts: {self.facts['there_twice']}; ran twice: "
            f"{self.facts['ran_twice']}, for up to {self.facts['ran_twice_longest_s']} s; had "
            f"{self._host} run what it made, {len(seen)} would have been noticed"
        )


def _made_here(guest: Guest, host: str) -> bool:
    return guest.host == host and guest.phase == "ready"


def _counts(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))


async def play(testbed: Testbed, options: Options, say: Say) -> dict[str, Any]:
    """The story on some testbed; `wrong` in the result is empty when all is well."""
    story = Story(testbed, options, say)
    await story.build_on_one()
    await story.cut()
    await story.mend()
    await story.judge()
    return story.facts


async def _run(home: Home, options: Options, say: Say) -> dict[str, Any]:
    async with running_testbed(home) as testbed:
        return await play(testbed, options, say)


def cut(options: Options, say: Say) -> dict[str, Any]:
    """One run on a cluster of processes of its own."""
    with throw_away(options.timers.settings()) as cluster:
        say(f"Starting a throw-away cluster in {cluster.home.path}")
        cluster.up("--processes", "--cuttable", "--hosts", str(options.hosts))
        result = asyncio.run(_run(cluster.home, options, say))
        cluster.keep = bool(result["wrong"]) or options.keep
        if cluster.keep:
            result["home"] = str(cluster.home.path)
        return result

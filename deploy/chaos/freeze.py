"""Freeze (or kill) a host with servers on it, evacuate them, let it come back: nothing runs twice.

Owns: the story, what is timed in it, the proof that the judge of the driver logs would notice.
May not: use another cluster than its own. Crash story: see deploy/load/throwaway.py.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.chaos.invariants import as_if_it_had_gone_on, driver_logs, wait_until_sound
from deploy.chaos.testbed import Say, Testbed, Timers, running_testbed
from deploy.load.boots import server_body
from deploy.load.throwaway import throw_away
from deploy.local.home import Home, LocalClusterError
from services.compute.drivers.simulated.log import read_alive

HOST = "compute-1"


@dataclass(frozen=True)
class Options:
    servers: int = 10
    kill: bool = False
    """`kill -9` and a new start instead of SIGSTOP and SIGCONT."""
    hosts: int = 3
    timers: Timers = field(default_factory=Timers)
    keep: bool = False


class Story:
    """One run; `facts` fills up as it goes."""

    def __init__(self, testbed: Testbed, options: Options, say: Say) -> None:
        self._testbed = testbed
        self._client = testbed.client
        self._clock = testbed.clock
        self._options = options
        self._say = say
        self._servers: list[str] = []
        self.facts: dict[str, Any] = {"servers": options.servers, "wrong": []}

    async def _mine(self) -> list[dict[str, Any]]:
        return await self._client.server_list("name=%5Efreeze-", detail=True)

    async def create(self) -> None:
        """All on one host."""
        body = await server_body(self._client, "m1.tiny", "cirros", "private")
        for number in range(self._options.servers):
            server = {**body, "name": f"freeze-{number:03}", "host": HOST}
            made = await self._client.must("POST", "/servers", {"server": server})
            self._servers.append(made["server"]["id"])
        await self._testbed.until(
            "servers ACTIVE", lambda: self._all(lambda s: s["status"] == "ACTIVE")
        )
        self._say(f"{len(self._servers)} servers are ACTIVE on {HOST}")

    async def _all(self, good: Callable[[dict[str, Any]], bool]) -> bool:
        servers = await self._mine()
        for server in servers:
            if server["status"] == "ERROR":
                fault = server.get("fault", {}).get("message")
                raise LocalClusterError(f"{server['name']} is in ERROR: {fault}")
        return len(servers) == len(self._servers) and all(map(good, servers))

    async def silence(self) -> None:
        """Freeze or kill, and time how long host_status takes to say UNKNOWN."""
        kill = self._options.kill
        await self._testbed.act("kill" if kill else "freeze", HOST)
        self._say(f"{HOST} is {'killed' if kill else 'frozen'}")
        ages = (0.0, 0.0)

        async def is_unknown() -> bool:
            nonlocal ages
            before = await self._heartbeat_age_s()
            status = await self._host_status()
            ages = (before, await self._heartbeat_age_s())
            if status not in ("UP", "UNKNOWN"):
                raise LocalClusterError(f"host_status of a silent host is {status}")
            return status == "UNKNOWN"

        await self._testbed.until("host_status UNKNOWN", is_unknown)
        down_time_s = self._options.timers.service_down_time_s
        self.facts["service_down_time_s"] = down_time_s
        self.facts["unknown_after_last_heartbeat_s"] = [round(age, 3) for age in ages]
        if ages[1] < down_time_s or ages[0] > down_time_s + 1:
            self.facts["wrong"].append(
                f"host_status: UNKNOWN {ages[0]:.2f} to {ages[1]:.2f} s after the last heartbeat, "
                f"not within {down_time_s:g} to {down_time_s + 1:g} s"
            )
        self._say(
            f"UNKNOWN {ages[0]:.2f} to {ages[1]:.2f} s after its last heartbeat "
            f"(service_down_time {down_time_s:g} s)"
        )

    async def _heartbeat_age_s(self) -> float:
        """By the database's clock, which is the one that judges."""
        query = (
            "select extract(epoch from now() - last_seen_up)::float8 from services "
            "where host = $1 and binary_name = 'nova-compute'"
        )
        return float(await self._testbed.pool.fetchval(query, HOST))

    async def _host_status(self) -> str:
        return str(
            (await self._client.get(f"/servers/{self._servers[0]}"))["server"]["host_status"]
        )

    async def evacuate(self) -> None:
        """Fencing says it is down; its servers are rebuilt elsewhere."""
        await self._testbed.force_down(HOST, forced=True)
        status = await self._host_status()
        if status != "DOWN":
            self.facts["wrong"].append(f"host_status: {status} and not DOWN right after force-down")
        began = self._clock.monotonic()
        for server in self._servers:
            await self._client.must("POST", f"/servers/{server}/action", {"evacuate": {}})
        await self._testbed.until(
            "all servers ACTIVE elsewhere",
            lambda: self._all(
                lambda s: s["status"] == "ACTIVE" and s["OS-EXT-SRV-ATTR:host"] != HOST
            ),
        )
        self.facts["evacuated_s"] = round(self._clock.monotonic() - began, 2)
        self._say(f"all ACTIVE elsewhere after {self.facts['evacuated_s']} s")

    async def come_back(self) -> None:
        """The host goes on, destroys what was evacuated, and may serve again."""
        await self._testbed.act("start" if self._options.kill else "thaw", HOST)
        took_s = await self._testbed.until("migrations completed", self._completed)
        self.facts["completed_after_return_s"] = took_s
        await self._testbed.force_down(HOST, forced=False)

        async def is_up() -> bool:
            return bool((await self._testbed.compute_service(HOST))["state"] == "up")

        self.facts["up_after_unforce_s"] = await self._testbed.until(f"{HOST} up", is_up)
        self._say(f"{HOST} is back: evacuations completed after {took_s} s, up again")

    async def _completed(self) -> bool:
        rows = await self._testbed.pool.fetch(
            "select status, count(*) from migrations where source_compute = $1 group by status",
            HOST,
        )
        return bool([tuple(row) for row in rows] == [("completed", len(self._servers))])

    async def judge(self) -> None:
        """Everything in order, and the judge is not blind.

        A guest is known to have executed up to the last tick of its host: each must have ticked
        with host and evacuated servers side by side before the logs can tell.
        """
        now = self._clock.utcnow().timestamp()
        hosts = [path.parent for path in driver_logs(self._testbed.compute)]

        async def all_have_ticked() -> bool:
            return all((read_alive(host) or 0.0) > now for host in hosts)

        await self._testbed.until("a tick of every host", all_have_ticked)
        deadline = self._clock.monotonic() + 15
        _, wrong = await wait_until_sound(self._testbed.look, self._clock, deadline=deadline)
        self.facts["wrong"] += wrong
        with tempfile.TemporaryDirectory(prefix="muster-logs-") as scratch:
            noticed = as_if_it_had_gone_on(
                self._testbed.compute,
                HOST,
                self._servers,
                until=self._clock.utcnow().timestamp(),
                scratch=Path(scratch),
            )
        seen = {overlap.uuid for overlap in noticed}
        self.facts["noticed_had_it_gone_on"] = len(seen)
        if seen != set(self._servers):
            self.facts["wrong"].append(
                f"blind: had {HOST} gone on, only {len(seen)} of {len(self._servers)} doubles "
                "would have been noticed"
            )
        self._say(
            f"ran twice: {sum(line.startswith('ran twice') for line in wrong)}; "
            f"had {HOST} gone on, {len(seen)} of {len(self._servers)} would have been noticed"
        )


async def _run(home: Home, options: Options, say: Say) -> dict[str, Any]:
    async with running_testbed(home) as testbed:
        story = Story(testbed, options, say)
        await story.create()
        await story.silence()
        await story.evacuate()
        await story.come_back()
        await story.judge()
        return story.facts


def freeze(options: Options, say: Say) -> dict[str, Any]:
    """One run on a cluster of its own; `wrong` in the result is empty when all is well."""
    with throw_away(options.timers.settings()) as cluster:
        say(f"Starting a throw-away cluster in {cluster.home.path}")
        cluster.up("--processes", "--hosts", str(options.hosts))
        result = asyncio.run(_run(cluster.home, options, say))
        cluster.keep = bool(result["wrong"]) or options.keep
        if cluster.keep:
            result["home"] = str(cluster.home.path)
        return result

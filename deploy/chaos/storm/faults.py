"""Who is struck in a storm, and when: by the progress of workflows, not by the clock.

Owns: watching the workflows, striking the parts that the plan names at the moments it names, and
losing a host for good (the evacuation). Everything that is struck is whole again in the end.
May not: judge; strike the database, the broker or the API; strike two hosts and the evacuated one
at the same time, or both conductors: moves need somebody to go to.
Crash story: an interrupted strike leaves its victim as it is; the cluster is thrown away.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from common.runtime.tasks import Tasks
from deploy.chaos.storm.lifecycles import Lives
from deploy.chaos.storm.plan import Evacuation, Fault
from deploy.chaos.storm.tally import Tally
from deploy.chaos.testbed import Testbed

LOOK_S = 0.02
HOSTS_AT_ONCE = 2
CONDUCTORS_AT_ONCE = 1
COMES_BACK_WITHIN_S = 30.0

_WORKFLOWS = """
select w.kind, w.step, w.lease_owner, s.host,
       array(select a.host from allocations a where a.server_uuid = s.uuid) as claims
  from workflows w join servers s on s.uuid = w.server_uuid
 where not w.unwinding and s.name ^@ $1 order by w.id
"""


def victim_of(fault: Fault, workflow: Mapping[str, Any]) -> str | None:
    """The member that `fault` strikes in `workflow`; None: this is not its moment."""
    if workflow["kind"] != fault.kind or workflow["step"] != fault.step:
        return None
    if fault.part == "conductor":
        # A workflow that nobody holds yet may be on its way to any.
        owner: str = workflow["lease_owner"] or "conductor-1"
        return owner.split(":", maxsplit=1)[0]
    source: str | None = workflow["host"]
    if fault.part == "source":
        return source
    return min((host for host in workflow["claims"] if host != source), default=None)


class Striker:
    """The faults of one plan."""

    def __init__(
        self, testbed: Testbed, faults: tuple[Fault, ...], prefix: str, tally: Tally
    ) -> None:
        self._testbed = testbed
        self._clock = testbed.clock
        self._prefix = prefix
        self._tally = tally
        self._tasks = Tasks(self._clock)
        self._began = self._clock.monotonic()
        self.pending = list(faults)
        self.struck: set[str] = set()

    async def run(self) -> None:
        """Strike until nothing is pending; cancel it when nothing more is to be struck."""
        while self.pending:
            for workflow in await self._testbed.pool.fetch(_WORKFLOWS, self._prefix):
                for fault in list(self.pending):
                    victim = victim_of(fault, workflow)
                    if victim is not None and self.may_strike(victim):
                        self.pending.remove(fault)
                        self.struck.add(victim)
                        self._tasks.spawn(f"strike {victim}", self._strike(fault, victim))
            await self._clock.sleep(LOOK_S)

    def may_strike(self, victim: str) -> bool:
        kind = victim.split("-", maxsplit=1)[0]
        already = sum(name.startswith(f"{kind}-") for name in self.struck)
        most = CONDUCTORS_AT_ONCE if kind == "conductor" else HOSTS_AT_ONCE
        return victim not in self.struck and already < most

    async def finish(self) -> None:
        """Return when everything that was struck is whole again."""
        self._tally.missed = len(self.pending)
        self.pending.clear()
        while len(self._tasks):
            await self._tasks.drain(COMES_BACK_WITHIN_S)

    def note(self, way: str, victim: str, during: str) -> None:
        at = self._clock.monotonic() - self._began
        self._tally.strikes.append(f"{at:5.1f} s  {way} {victim} during {during}")
        self._tally.faults[f"{way} {victim.split('-', maxsplit=1)[0]}"] += 1

    async def _strike(self, fault: Fault, victim: str) -> None:
        await self._clock.sleep(fault.delay_s)
        self.note(fault.way, victim, f"{fault.kind} step {fault.step}")
        if fault.way == "kill":
            await self._testbed.act("kill", victim)
            await self._clock.sleep(fault.lasts_s)
            await self._testbed.act("start", victim)
        else:
            await self._testbed.cut(victim, *fault.services)
            await self._clock.sleep(fault.lasts_s)
            await self._testbed.mend(victim, reset=fault.reset)
        self.struck.discard(victim)


class Operator:
    """Loses one host, evacuates it, takes it back."""

    def __init__(
        self, testbed: Testbed, evacuation: Evacuation, lives: Lives, striker: Striker
    ) -> None:
        self._testbed = testbed
        self._plan = evacuation
        self._lives = lives
        self._striker = striker

    async def run(self) -> None:
        await self._testbed.clock.sleep(self._plan.after_s)
        host = await self._choose()
        self._striker.note(f"lose ({self._plan.way})", host, "whatever it does")
        if self._plan.way == "cut":
            await self._testbed.cut(host)
            await self._testbed.until(f"{host} down", lambda: self._is(host, "down"))
        await self._testbed.act("kill", host)
        await self._force_down(host, forced=True)
        servers = [s for s in self._lives.watch.servers.values() if _on(s, host)]
        await asyncio.gather(*(self._lives.do(server, "evacuate") for server in servers))
        if self._plan.way == "cut" and not self._plan.starts_cut_off:
            await self._testbed.mend(host, reset=self._plan.reset)
        await self._testbed.act("start", host)
        if self._plan.way == "cut" and self._plan.starts_cut_off:
            await self._testbed.mend(host, reset=self._plan.reset)
        await self._testbed.until(
            f"forced down taken back from {host}",
            lambda: self._force_down(host, forced=False),
            within_s=COMES_BACK_WITHIN_S,
        )
        await self._testbed.until(
            f"{host} up", lambda: self._is(host, "up"), within_s=COMES_BACK_WITHIN_S
        )
        self._striker.struck.discard(host)

    async def _choose(self) -> str:
        """The host with most servers of those that are not being struck."""
        while True:
            on = Counter(s["OS-EXT-SRV-ATTR:host"] for s in self._lives.watch.servers.values())
            for host, _ in on.most_common():
                if host and self._striker.may_strike(host):
                    self._striker.struck.add(host)
                    return str(host)
            await self._testbed.clock.sleep(LOOK_S)

    async def _is(self, host: str, state: str) -> bool:
        answer = await self._lives.retrying.ask("GET", f"/os-services?host={host}")
        return any(s["state"] == state for s in (answer.body or {}).get("services", ()))

    async def _force_down(self, host: str, *, forced: bool) -> bool:
        """Taking it back is refused until the host has cleaned up behind evacuations."""
        found = await self._lives.retrying.ask("GET", f"/os-services?host={host}")
        path = f"/os-services/{found.body['services'][0]['id']}"
        answer = await self._lives.retrying.ask("PUT", path, {"forced_down": forced})
        return answer.status == 200


def _on(server: dict[str, Any], host: str) -> bool:
    return bool(server["OS-EXT-SRV-ATTR:host"] == host)

"""How many servers a second a cluster boots, and how long each takes.

Owns: one bounded run against a running cluster: POST, wait until it has left BUILD, next; then
delete them all. `concurrency` servers are on their way at any moment.
May not: leave anything behind, nor read the database: what is measured is what a user sees.
Crash story: every server's name begins with the run's prefix; what a killed run has left is found
by it (`openstack server list --name '^bench-'`).

Leaving BUILD is seen by one shared list (see list_poller.py), so a time to ACTIVE is up to one poll
interval and one list longer than the truth.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from common.runtime.ports import Ids
from common.runtime.tasks import Tasks
from deploy.load import figures
from deploy.load.client import Client, Refused, Unreachable
from deploy.load.cpu import per_item_ms
from deploy.load.list_poller import ListPoller
from deploy.local.home import LocalClusterError

Network = Literal["none", "private"]
CpuMeter = Callable[[], dict[str, float]]

QUOTAS = ("instances", "cores", "ram")
CLEANUP_DEADLINE_S = 90.0
GONE_POLL_S = 0.1
PATIENCE_S = 10.0
LONGEST_REASON = 120


@dataclass(frozen=True)
class Options:
    """What to do; both `count` and `time_limit_s` end the run."""

    count: int = 150
    concurrency: int = 20
    network: Network = "private"
    flavor: str = "m1.tiny"
    image: str = "cirros"
    time_limit_s: float = 120.0
    poll_interval_s: float = 0.05


@dataclass
class Tally:
    """What happened, as it happens. Times are monotonic seconds."""

    post_s: list[float] = field(default_factory=list)
    delete_s: list[float] = field(default_factory=list)
    began: dict[str, float] = field(default_factory=dict)
    """When the POST of each accepted server was sent."""
    left: dict[str, float] = field(default_factory=dict)
    """When each was seen to have left BUILD."""
    errors: Counter[str] = field(default_factory=Counter)
    active: set[str] = field(default_factory=set)
    deleted: int = 0
    deleting_s: float = 0.0
    cpu_ms_per_boot: dict[str, float] = field(default_factory=dict)
    """Processor time from the first POST to the last ACTIVE, by service."""

    def summary(self, options: Options) -> dict[str, Any]:
        """The figures, JSON-ready."""
        times = [self.left[i] - self.began[i] for i in self.active if i in self.left]
        elapsed_s = 0.0
        if self.began and times:
            elapsed_s = max(self.left[i] for i in self.active) - min(self.began.values())
        return {
            "asked": options.count,
            "concurrency": options.concurrency,
            "network": options.network,
            "accepted": len(self.began),
            "active": len(self.active),
            "elapsed_s": round(elapsed_s, 2),
            "boots_per_s": figures.rate(len(self.active), elapsed_s),
            "post_ms": figures.latencies_ms(self.post_s),
            "post_to_active_ms": figures.latencies_ms(times),
            "cpu_ms_per_boot": self.cpu_ms_per_boot,
            "errors": dict(self.errors),
            "deleted": self.deleted,
            "deletes_per_s": figures.rate(self.deleted, self.deleting_s),
            "delete_ms": figures.latencies_ms(self.delete_s),
        }


@asynccontextmanager
async def enough_quota(client: Client) -> AsyncIterator[None]:
    """The caller's project may have any number of servers meanwhile."""
    path = f"/os-quota-sets/{client.project_id}"
    before = (await client.get(path))["quota_set"]
    short = {name: before[name] for name in QUOTAS if before[name] != -1}
    try:
        if short:
            await client.must("PUT", path, {"quota_set": dict.fromkeys(short, -1)})
    except Refused as error:
        raise LocalClusterError(
            f"the project's quota is too small and may not be raised ({error.answer.status}); let "
            "an administrator run: openstack quota set --instances -1 --cores -1 --ram -1 PROJECT"
        ) from error
    try:
        yield
    finally:
        if short:
            await client.must("PUT", path, {"quota_set": {**short, "force": True}})


async def server_body(client: Client, flavor: str, image: str, network: Network) -> dict[str, Any]:
    """The `server` of a POST, without its name."""
    flavors = (await client.get("/flavors"))["flavors"]
    images = (await client.get(f"/v2/images?name={image}", service="image"))["images"]
    chosen = next((f["id"] for f in flavors if flavor in (f["name"], f["id"])), None)
    if chosen is None or not images:
        missing = f"flavor {flavor!r}" if chosen is None else f"image {image!r}"
        raise LocalClusterError(f"the cluster has no {missing}; name one that it has")
    body: dict[str, Any] = {"flavorRef": chosen, "imageRef": images[0]["id"], "networks": "none"}
    if network != "none":
        path = f"/v2.0/networks?name={network}"
        networks = (await client.get(path, service="network"))["networks"]
        if not networks:
            raise LocalClusterError(f"the cluster has no network {network!r}; try --network none")
        body["networks"] = [{"uuid": networks[0]["id"]}]
    return body


class Boots:
    """One run; `tally` is true at any moment, also when the run is cut short."""

    def __init__(self, client: Client, options: Options, ids: Ids, cpu_s: CpuMeter) -> None:
        self._client = client
        self._cpu_s = cpu_s
        self._clock = client.clock
        self._options = options
        self.prefix = f"bench-{ids.uuid().hex[:8]}-"
        self._named = f"name=%5E{self.prefix}"
        self.tally = Tally()

    async def run(self) -> None:
        """Boot, classify, delete; always cleans up, also when cancelled."""
        tasks = Tasks(self._clock)
        poller = ListPoller(
            self._building,
            self._clock,
            interval_s=self._options.poll_interval_s,
            patience_s=PATIENCE_S,
        )
        try:
            body = await server_body(
                self._client, self._options.flavor, self._options.image, self._options.network
            )
            tasks.spawn("poller", poller.run())
            before = self._cpu_s()
            await self._boot_all(body, poller)
            after = self._cpu_s()
            await tasks.stop()
            await self._classify()
            self.tally.cpu_ms_per_boot = per_item_ms(before, after, len(self.tally.active))
            await self._delete_all()
        finally:
            await tasks.stop()
            await self._clean_up()

    async def _building(self) -> set[str]:
        found = await self._client.server_list(f"status=BUILD&{self._named}")
        return {server["id"] for server in found}

    async def _boot_all(self, body: dict[str, Any], poller: ListPoller) -> None:
        numbers = iter(range(self._options.count))
        workers = [self._worker(numbers, body, poller) for _ in range(self._concurrency)]
        try:
            async with asyncio.timeout(self._options.time_limit_s):
                await asyncio.gather(*workers)
        except TimeoutError:
            limit = f"{self._options.time_limit_s:g} s"
            if not_asked := sum(1 for _ in numbers):
                self.tally.errors[f"not asked for within {limit}"] += not_asked
            if late := len(self.tally.began.keys() - self.tally.left.keys()):
                self.tally.errors[f"not ACTIVE within {limit}"] += late

    @property
    def _concurrency(self) -> int:
        return min(self._options.concurrency, self._options.count)

    async def _worker(
        self, numbers: Iterator[int], body: dict[str, Any], poller: ListPoller
    ) -> None:
        for number in numbers:
            await self._boot({**body, "name": f"{self.prefix}{number:05}"}, poller)

    async def _boot(self, server: dict[str, Any], poller: ListPoller) -> None:
        tally = self.tally
        began = self._clock.monotonic()
        try:
            answer = await self._client.request("POST", "/servers", {"server": server})
        except Unreachable:
            tally.errors["no answer to POST"] += 1
            return
        tally.post_s.append(answer.elapsed_s)
        if answer.status != 202:
            tally.errors[f"POST {answer.status} {answer.reason[:LONGEST_REASON]}".strip()] += 1
            return
        server_id = str(answer.body["server"]["id"])
        tally.began[server_id] = began
        try:
            tally.left[server_id] = await poller.wait(server_id)
        except (Unreachable, Refused) as error:
            tally.errors[f"state unknown: {error}"[:LONGEST_REASON]] += 1

    async def _classify(self) -> None:
        """What those that left BUILD have become."""
        found = await self._client.server_list(self._named, detail=True)
        now = {server["id"]: server for server in found}
        for server_id in self.tally.left:
            server = now.get(server_id)
            status = server["status"] if server else "gone"
            if status == "ACTIVE":
                self.tally.active.add(server_id)
            else:
                fault = (server or {}).get("fault", {}).get("message", "no reason given")
                self.tally.errors[f"{status}: {fault[:LONGEST_REASON]}"] += 1

    async def _delete_all(self) -> None:
        """All at `concurrency`; timed from the first request until the list is empty."""
        left = {server["id"] for server in await self._client.server_list(self._named)}
        self.tally.deleted = len(left)
        remaining = iter(sorted(left))
        began = self._clock.monotonic()

        async def worker() -> None:
            for server_id in remaining:
                answer = await self._client.request("DELETE", f"/servers/{server_id}")
                self.tally.delete_s.append(answer.elapsed_s)
                if answer.status not in (204, 404):
                    self.tally.errors[f"DELETE {answer.status} {answer.reason}".strip()] += 1

        await asyncio.gather(*(worker() for _ in range(self._concurrency)))
        while left and self._clock.monotonic() - began < CLEANUP_DEADLINE_S:
            await self._clock.sleep(GONE_POLL_S)
            left = {server["id"] for server in await self._client.server_list(self._named)}
        self.tally.deleting_s = self._clock.monotonic() - began
        self.tally.deleted -= len(left)
        if left:
            self.tally.errors[f"not deleted within {CLEANUP_DEADLINE_S:g} s"] += len(left)

    async def _clean_up(self) -> None:
        """Whatever bears the run's name goes; nothing to do after a run that went well.

        Looked at twice: a request that was cut off may still have been on its way.
        """
        deadline = self._clock.monotonic() + CLEANUP_DEADLINE_S
        empty = 0
        while empty < 2 and self._clock.monotonic() < deadline:
            try:
                left = await self._client.server_list(self._named)
                for server in left:
                    await self._client.request("DELETE", f"/servers/{server['id']}")
            except (Unreachable, Refused):
                left = [{}]
            empty = 0 if left else empty + 1
            if empty < 2:
                await self._clock.sleep(0.2)
        if empty < 2:
            raise LocalClusterError(
                f"could not delete every server of this run; see openstack server list --name "
                f"'^{self.prefix}'"
            )


async def measure(client: Client, options: Options, cpu_s: CpuMeter = dict) -> dict[str, Any]:
    """One run; returns `Tally.summary`. `cpu_s`: processor seconds so far by service."""
    boots = Boots(client, options, Ids(), cpu_s)
    async with enough_quota(client):
        await boots.run()
    return boots.tally.summary(options)

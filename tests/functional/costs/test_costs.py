"""What each operation costs: SQL round trips, commits, broker messages, HTTP calls to neighbours.

`./muster test tests/functional/costs -s` prints the table that docs/performance.md shows. The
figures may fall; a change that makes one grow fails here, and has to say in `LIMITS` why.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg

from common.messages.compute import HostReport
from tests.support.cluster import FAST, Cluster
from tests.support.ledger import Cost, Entry, Ledger, cost_of, counting
from tests.support.wait import wait_for

LIMITS = {
    "boot": Cost(sql=6, commits=3, messages=5, http=3),
    "boot within a quota": Cost(sql=9, commits=3, messages=5, http=3),
    "show": Cost(sql=1),
    "detail page": Cost(sql=1),
    "delete": Cost(sql=5, commits=2, messages=4, http=2),
    "heartbeats of 3 hosts": Cost(sql=1, commits=1),
    "unchanged inventory": Cost(),
}
"""The most each may cost: a boot with one port, a page of any number of servers, all heartbeats
between two beats of one conductor, a host's report of what it has reported before."""

QUIET: dict[str, Any] = {
    # Nothing is found or repeated by a timer while something is measured.
    "servicegroup": {"report_interval_s": 300.0, "service_down_time_s": 3000.0},
    "conductor": {
        "lease_s": 600.0,
        "sweep_interval_s": 300.0,
        "reconcile_interval_s": 300.0,
        "host_command_resend_s": 60.0,
    },
}
SETTLED_S = 0.2
"""Nothing for so long: it is over, what follows the last commit included."""
ROUNDS = 3
BEAT_S = 0.4
BEATS = 30
HOSTS = ("compute-1", "compute-2", "compute-3")


@asynccontextmanager
async def counted_cluster(
    database_url: str, scratch: Path, hosts: tuple[str, ...] = HOSTS, **overrides: Any
) -> AsyncIterator[tuple[Cluster, Ledger]]:
    cluster = Cluster(database_url, scratch, overrides, hosts)
    with counting(lambda: getattr(cluster, "http", None)) as ledger:
        try:
            await cluster.start()
            yield cluster, ledger
        finally:
            await cluster.stop()


def shown(costs: dict[str, Cost]) -> str:
    """The table of docs/performance.md."""
    rows = [
        f"| {name} | {cost.sql} | {cost.commits} | {cost.messages} | {cost.http} |"
        for name, cost in costs.items()
    ]
    head = ["| | SQL round trips | commits | messages | HTTP calls |", "|---|---|---|---|---|"]
    return "\n".join(["", *head, *rows, ""])


def explained(entries: list[Entry]) -> str:
    """Every entry, for whoever has to find out what has grown."""
    return "\n".join(f"{e.kind:8}{' '.join(e.text.split())[:150]}" for e in entries)


def check(name: str, measured: list[list[Entry]]) -> Cost:
    """The dearest of the rounds, after comparing it with its limit."""
    costs = [cost_of(entries) for entries in measured]
    dearest = max(range(len(costs)), key=lambda n: (costs[n].sql, costs[n].messages))
    assert costs[dearest].within(LIMITS[name]), (
        f"{name} costs {costs[dearest]}, allowed is {LIMITS[name]}:\n{explained(measured[dearest])}"
    )
    sys.stdout.write(f"\n{name}:\n{explained(measured[dearest])}\n")
    return costs[dearest]


async def test_what_requests_and_workflows_cost(database_url: str, tmp_path: Path) -> None:
    async with counted_cluster(database_url, tmp_path, **QUIET) as (cluster, ledger):
        observer = await asyncpg.connect(database_url)  # not counted

        async def measured(act: Callable[[], Awaitable[Any]]) -> list[Entry]:
            async def over() -> bool:
                busy = await observer.fetchval("select exists (select from workflows)")
                return not busy and ledger.quiet_for(SETTLED_S)

            await wait_for(over)
            ledger.entries.clear()
            await act()
            await wait_for(over)
            return ledger.asked_for()

        async def delete() -> None:
            status, body = await cluster.request("DELETE", f"/servers/{servers.pop()}")
            assert status == 204, body

        async def get(path: str) -> None:
            status, body = await cluster.request("GET", path)
            assert status == 200, body

        servers = [
            await cluster.create_server(name="warm", availability_zone=f"nova:{host}")
            for host in HOSTS
        ]
        # Tokens, catalogs, sessions and the hosts' sealing keys are there from now on.
        await get("/servers/detail")
        await wait_for(lambda: observer.fetchval("select not exists (select from workflows)"))
        await delete()
        image, network = await cluster.image_id(), await cluster.network_id()
        new = {"name": "s", "flavorRef": "1", "imageRef": image, "networks": [{"uuid": network}]}

        async def boot() -> None:
            status, answer = await cluster.request("POST", "/servers", {"server": new})
            assert status == 202, answer
            servers.append(answer["server"]["id"])

        costs = {
            "boot": check("boot", [await measured(boot) for _ in range(ROUNDS)]),
            "show": check("show", [await measured(lambda: get(f"/servers/{servers[0]}"))]),
            "detail page": check("detail page", [await measured(lambda: get("/servers/detail"))]),
            "delete": check("delete", [await measured(delete) for _ in range(ROUNDS)]),
        }
        limits = {"quota_set": {"instances": 1000, "cores": 1000, "ram": 10_000_000}}
        project = await observer.fetchval("select project_id from servers limit 1")
        status, answer = await cluster.request("PUT", f"/os-quota-sets/{project}", limits)
        assert status == 200, answer
        within = "boot within a quota"
        costs[within] = check(within, [await measured(boot) for _ in range(ROUNDS)])
        await observer.close()
        await cluster.assert_sound()
    sys.stdout.write(shown(costs))


async def test_heartbeats_of_all_hosts_are_written_together(
    database_url: str, tmp_path: Path
) -> None:
    group = {"report_interval_s": 0.1, "service_down_time_s": 60.0, "beat_interval_s": BEAT_S}
    async with counted_cluster(database_url, tmp_path, **{**QUIET, "servicegroup": group}) as (
        cluster,
        ledger,
    ):

        def turns() -> list[list[Entry]]:
            return ledger.turns(pause_s=BEAT_S / 2).get("beat", [])

        await wait_for(lambda: len(turns()) > ROUNDS + 1)
        cost = check("heartbeats of 3 hosts", turns()[1:-1])
        seen = "select count(*) from services where now() - last_seen_up < interval '2 seconds'"
        assert await cluster.pool.fetchval(seen) >= len(cluster.hosts)
    sys.stdout.write(shown({"heartbeats of 3 hosts": cost}))


async def test_an_inventory_that_has_not_changed(database_url: str, tmp_path: Path) -> None:
    own: dict[str, Any] = {
        **QUIET,
        "servicegroup": {**FAST["servicegroup"], "report_interval_s": 0.1},
        "hosts": ("compute-1",),
    }
    async with counted_cluster(database_url, tmp_path, **own) as (cluster, ledger):
        await cluster.settled(await cluster.create_server())
        await wait_for(lambda: ledger.quiet_for(SETTLED_S))
        ledger.entries.clear()
        await wait_for(lambda: sum(e.loop.startswith("heartbeat") for e in ledger.entries) > BEATS)
        found = ledger.asked_for()
    reports = [n for n, e in enumerate(found) if e.text == HostReport.TYPE]
    each = [found[a:b] for a, b in pairwise(reports)] if reports else [found]
    sys.stdout.write(shown({"unchanged inventory": check("unchanged inventory", each)}))

"""What many hosts cost that only beat, and whether each is shown as alive the whole time.

Owns: one throw-away cluster of processes in which a few agents serve all hosts, watched for a fixed
time: processor time and memory of each part, what the database did, and every look at the hosts,
through the API and in the database as the API computes it.
May not: touch the cluster while it is watched, but for those looks (their cost is the api's and a
part of PostgreSQL's).
Crash story: see throwaway.py. A run ends by itself after its minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from common.runtime.ports import Clock
from deploy.load import figures
from deploy.load.client import Client, Refused, Unreachable
from deploy.load.cpu import GENERATOR, cluster_cpu_s
from deploy.load.throwaway import UP_DEADLINE_S, ThrowAway, settings_of, throw_away
from deploy.local.home import Home

DATABASE_LOOK_S = 1.0
API_LOOK_S = 10.0
"""A list of ten thousand hosts is megabytes; it must not be what is measured."""
START_S_PER_HOST = 0.1
MOST_NAMED = 5

LOOK = """
select count(*) as known, array_agg(s.host) filter (where s.forced_down or not is_fresh(s)) as down
  from services s where s.binary_name = 'nova-compute'
"""
COUNTERS = """
select (select xact_commit + xact_rollback from pg_stat_database
         where datname = current_database()) as transactions,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint as commits,
       pg_current_wal_lsn() - '0/0'::pg_lsn as wal_bytes
"""
"""Transaction ids are given only to what writes, so their number is that of the commits."""
UPDATES = """
select relname, n_tup_upd as updates, n_tup_hot_upd as hot from pg_stat_user_tables
 where relname in ('services', 'compute_nodes', 'observer')
"""


@dataclass(frozen=True)
class Options:
    hosts: int = 10_000
    processes: int = 4
    conductors: int = 2
    minutes: float = 10.0
    report_interval_s: float = 10.0
    down_time_s: float = 60.0


@dataclass
class Looks:
    """What was seen of the hosts."""

    database: int = 0
    api: int = 0
    wrong: int = 0
    """Looks in which a host, all of which were alive, was down or missing."""
    hosts_wrong: Counter[str] = field(default_factory=Counter)
    """Hosts that were not shown as alive, and how often."""
    failed: Counter[str] = field(default_factory=Counter)
    """Looks without an answer, by reason."""
    api_s: list[float] = field(default_factory=list)

    def seen(self, expected: int, known: int, down: list[str]) -> None:
        self.hosts_wrong.update(down)
        if missing := expected - known:
            self.hosts_wrong["(missing)"] += missing
        self.wrong += bool(down or missing)


def measure(options: Options) -> dict[str, Any]:
    """The figures of one run, JSON-ready; see `_watch` for their names."""
    _allow_open_files()
    settings = settings_of(
        servicegroup__report_interval_s=options.report_interval_s,
        servicegroup__service_down_time_s=options.down_time_s,
        log__level="warning",
    )
    clock = Clock()
    with throw_away(settings, clock) as cluster:
        up_s = cluster.up(
            *("--processes", "--hosts", str(options.hosts), "--agents", str(options.processes)),
            *("--conductors", str(options.conductors)),
            deadline_s=UP_DEADLINE_S + options.hosts * START_S_PER_HOST,
        )
        watched = asyncio.run(_watch(cluster, options, clock))
        memory = json.loads(cluster.muster("status", "--json", "--memory"))
        return {
            "hosts": options.hosts,
            "agents": options.processes,
            "conductors": options.conductors,
            "report_interval_s": options.report_interval_s,
            "up_s": round(up_s, 1),
            **watched,
            "memory_mib": _by_kind(
                {m["name"]: m["pss_mib"] for m in memory["services"] if "pss_mib" in m}
            ),
        }


def _allow_open_files() -> None:
    """A simulated host keeps a few files open; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _watch(cluster: ThrowAway, options: Options, clock: Clock) -> dict[str, Any]:
    """Rates are per second, processor time is in hundredths of one core."""
    home, looks = cluster.home, Looks()
    pool = await asyncpg.create_pool(_database_url(home), min_size=1, max_size=2)
    try:
        async with Client(home, clock=clock) as client:
            began, before = clock.monotonic(), await _state(pool, home)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.minutes * 60), asyncio.TaskGroup() as group:
                    group.create_task(_look_in_database(pool, options, looks, clock))
                    group.create_task(_look_through_api(client, options, looks, clock))
            after, elapsed_s = await _state(pool, home), clock.monotonic() - began
    finally:
        await pool.close()
    return {
        "watched_s": round(elapsed_s, 1),
        **_rates(before, after, elapsed_s),
        "looks": {
            "database": looks.database,
            "api": looks.api,
            "api_ms": figures.latencies_ms(looks.api_s),
            "wrong": looks.wrong,
            "hosts_wrong": dict(looks.hosts_wrong.most_common(MOST_NAMED)),
            "failed": dict(looks.failed),
        },
    }


async def _look_in_database(
    pool: asyncpg.Pool[asyncpg.Record], options: Options, looks: Looks, clock: Clock
) -> None:
    while True:
        try:
            row = await pool.fetchrow(LOOK)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            looks.failed[repr(error)[:100]] += 1
        else:
            looks.database += 1
            looks.seen(options.hosts, row["known"], row["down"] or [])
        await clock.sleep(DATABASE_LOOK_S)


async def _look_through_api(client: Client, options: Options, looks: Looks, clock: Clock) -> None:
    while True:
        began = clock.monotonic()
        try:
            found = (await client.get("/os-services?binary=nova-compute"))["services"]
        except (Refused, Unreachable) as error:
            looks.failed[str(error)[:100]] += 1
        else:
            looks.api += 1
            looks.api_s.append(clock.monotonic() - began)
            down = [service["host"] for service in found if service["state"] != "up"]
            looks.seen(options.hosts, len(found), down)
        await clock.sleep(API_LOOK_S)


@dataclass(frozen=True)
class _State:
    """Counters of one moment."""

    cpu_s: dict[str, float]
    counters: Mapping[str, Any]
    updates: dict[str, tuple[int, int]]


async def _state(pool: asyncpg.Pool[asyncpg.Record], home: Home) -> _State:
    rows = await pool.fetch(UPDATES)
    return _State(
        cpu_s=_by_kind(cluster_cpu_s(home)),
        counters=dict(await pool.fetchrow(COUNTERS)),
        updates={row["relname"]: (row["updates"], row["hot"]) for row in rows},
    )


def _rates(before: _State, after: _State, elapsed_s: float) -> dict[str, Any]:
    spent = {name: after.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in after.cpu_s}
    counted = {name: float(after.counters[name] - before.counters[name]) for name in after.counters}
    updates = {
        table: (now[0] - before.updates[table][0], now[1] - before.updates[table][1])
        for table, now in after.updates.items()
    }
    return {
        "cpu_percent": {
            name: round(100 * seconds / elapsed_s, 1)
            for name, seconds in sorted(spent.items(), key=lambda item: -item[1])
        },
        "commits_per_s": figures.rate(int(counted["commits"]), elapsed_s),
        "transactions_per_s": figures.rate(int(counted["transactions"]), elapsed_s),
        "wal_kib_per_s": round(counted["wal_bytes"] / 1024 / elapsed_s, 1),
        "updates_per_s": {t: figures.rate(u, elapsed_s) for t, (u, _) in updates.items()},
        "hot_percent": {t: round(100 * hot / u, 1) for t, (u, hot) in updates.items() if u},
    }


def _by_kind(values: Mapping[str, float]) -> dict[str, float]:
    """Sums over the members of a kind: `conductor` for conductor-1 and conductor-2."""
    found: dict[str, float] = {}
    for name, value in values.items():
        kind = name if name == GENERATOR else name.split("-")[0]
        found[kind] = round(found.get(kind, 0.0) + value, 2)
    return found


def _database_url(home: Home) -> str:
    settings = tomllib.loads((home.path / "config" / "api.toml").read_text())
    return str(settings["database"]["url"])

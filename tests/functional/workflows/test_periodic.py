"""Periodic tasks fire once per server, also with two conductors and when one of them is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.config.settings import DatabaseSettings, Settings
from common.db.pool import close_pool, create_pool
from common.runtime.ports import Clock
from services.conductor.engine.context import Deps
from services.conductor.reconcilers import TASKS, Task
from services.conductor.reconcilers.reclaim_deleted import LOOK_AGAIN_S
from tests.functional.workflows.test_every_step import CASES, KEEP_SHELVED, RECLAIM_LATER
from tests.support.cluster import Cluster, running_cluster
from tests.support.ledger import counting
from tests.support.wait import wait_for

COUNT = 5


@dataclass(frozen=True)
class Due:
    """Something a periodic task finds to do."""

    before: str
    """The workflow that leaves it to be found."""
    meanwhile: dict[str, Any]
    """Settings of the conductors under which it is left alone."""
    due: dict[str, Any]
    """Settings that make it due."""
    action: str
    vm_state: str
    """Afterwards."""


CASES_DUE = [
    Due("resize", {}, {"resize_confirm_window_s": 0.2}, "confirmResize", "active"),
    Due(
        "shelve",
        KEEP_SHELVED,
        {"shelved_offload_time_s": 0.2},
        "shelveOffload",
        "shelved_offloaded",
    ),
    Due("soft_delete", RECLAIM_LATER, {"reclaim_instance_interval_s": 0.2}, "delete", "deleted"),
]


async def conductors(cluster: Cluster, settings: dict[str, Any]) -> None:
    """Two of them with these settings, instead of the ones there are."""
    for name in ("conductor", "conductor-2"):
        if name in cluster.members:
            await cluster.stop_member(name)
        own = {"host_name": name, "reconcile_interval_s": 0.1, **settings}
        await cluster.start_conductor(name, conductor=own)


@pytest.mark.parametrize("case", CASES_DUE, ids=lambda case: case.action)
async def test_each_fires_once(database_url: str, tmp_path: Path, case: Due) -> None:
    async with running_cluster(database_url, tmp_path) as cluster:
        await conductors(cluster, case.meanwhile)
        ids = [await cluster.create_server(name=f"s{n}") for n in range(COUNT)]
        await each(ids, cluster.settled)
        await each(ids, lambda i: CASES[case.before].begins(cluster, i))
        await each(ids, cluster.settled)
        already = await actions(cluster, case.action)
        await conductors(cluster, case.due)
        await wait_for(lambda: begun(cluster, case.action, already + 1), 10, "the first to be due")
        await cluster.kill("conductor-2")

        async def all_there() -> bool:
            rows = await cluster.pool.fetch("select vm_state, task_state from servers")
            return all((r["vm_state"], r["task_state"]) == (case.vm_state, None) for r in rows)

        await wait_for(all_there, 20, f"all servers to be {case.vm_state}")
        assert await actions(cluster, case.action) == already + COUNT
        await cluster.assert_sound()


async def test_what_is_off_asks_the_database_nothing(database_url: str) -> None:
    """Except for servers that were softly deleted before that was turned off: once in a while."""
    clock = StillClock()
    with counting(lambda: None) as ledger:
        pool = await create_pool(DatabaseSettings(url=database_url))
        off = Settings(network={"refresh_interval_s": 0})
        deps = cast("Deps", SimpleNamespace(settings=off, pool=pool, clock=clock))
        tasks = {name: make() for name, make in TASKS.items() if name != "clean_leftovers"}

        async def asks(task: Task) -> bool:
            ledger.entries.clear()
            return bool(await task(deps) or ledger.entries)

        async def asked() -> list[str]:
            return [name for name, task in tasks.items() if await asks(task)]

        assert await asked() == ["reclaim_deleted"]
        assert await asked() == []
        clock.now_s += LOOK_AGAIN_S
        assert await asked() == ["reclaim_deleted"]
        await close_pool(pool)


class StillClock(Clock):
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


async def each(ids: list[str], do: Callable[[str], Awaitable[Any]]) -> None:
    await asyncio.gather(*(do(server_id) for server_id in ids))


async def actions(cluster: Cluster, action: str) -> int:
    query = "select count(*) from instance_actions where action = $1"
    return int(await cluster.pool.fetchval(query, action))


async def begun(cluster: Cluster, action: str, at_least: int) -> bool:
    return await actions(cluster, action) >= at_least

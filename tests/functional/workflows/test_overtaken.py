"""Whatever runs on a server gives way, at every step, to a delete and to an operator's reset.

The step has been done and is not committed yet; its conductor lives, or has died there and another
one resumes what it finds overtaken. Nothing runs twice, nothing is left, every event is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.domain.states import PowerState
from services.conductor.workflows import DEFINITIONS
from tests.functional.workflows.test_every_step import (
    CASES,
    KEEP_SHELVED,
    STEPS,
    Fault,
    force_down_ended,
    kind_of,
    prepare,
    replace_conductor,
    trigger,
)
from tests.support.cluster import Cluster, running_cluster

OVERTAKABLE = [
    (kind, step)
    for kind, step in STEPS
    if DEFINITIONS[kind_of(kind)].overtakable
    and (CASES[kind].kind is None or step in {"free", "reimage"})
]
OPEN_EVENTS = """
select a.action, e.event from instance_action_events e join instance_actions a on a.id = e.action_id
 where e.finish_time is null and a.server_uuid = $1::uuid
"""


@pytest.fixture(scope="module")
async def cluster(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    from tests.support.postgres import _named, execute

    await execute(postgres_server, "drop database if exists overtaken with (force)")
    await execute(postgres_server, f"create database overtaken template {template_database}")
    scratch: Path = tmp_path_factory.mktemp("cluster")
    async with running_cluster(_named(postgres_server, "overtaken"), scratch) as running:
        yield running


async def overtaken(cluster: Cluster, kind: str, step: str, *, dies: bool, by: str) -> str:
    """The server, when `kind` was overtaken at the end of `step` and all is at rest."""
    fault, reached = Fault(), asyncio.Event()
    server_id = await prepare(cluster, kind)

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()  # until it is cut short, or killed

    await replace_conductor(
        cluster,
        fault.definitions(kind_of(kind), **{step: fault.dying("after", wait)}),
        **CASES[kind].settings,
    )
    server_id = await trigger(cluster, kind, server_id)
    await asyncio.wait_for(reached.wait(), 10)
    if dies:
        await cluster.kill("conductor")
    if by == "delete":
        path, body = f"/servers/{server_id}/action", {"forceDelete": None}
        status, answer = await cluster.request("POST", path, body)
        assert status == 202, answer
    else:
        await cluster.action(server_id, {"os-resetState": {"state": "active"}}, 202)
    if dies:
        await cluster.start_conductor(conductor=CASES[kind].settings)
    shown = await cluster.settled(server_id, 25)
    assert fault.fired == 1
    for host in cluster.hosts:
        if host not in cluster.members:
            await cluster.start_host(host)
        await force_down_ended(cluster, host)
    if by == "delete":
        assert shown is None
    else:
        assert shown is not None
    assert await cluster.pool.fetch(OPEN_EVENTS, server_id) == []
    await cluster.assert_sound()
    return server_id


WHOEVER_RUNS_IT = pytest.mark.parametrize(
    "dies",
    [pytest.param(False, id="alive"), pytest.param(True, id="dies", marks=pytest.mark.long)],
)


@WHOEVER_RUNS_IT
@pytest.mark.parametrize(("kind", "step"), OVERTAKABLE)
async def test_by_a_delete(cluster: Cluster, kind: str, step: str, dies: bool) -> None:
    await overtaken(cluster, kind, step, dies=dies, by="delete")


@WHOEVER_RUNS_IT
@pytest.mark.parametrize(("kind", "step"), OVERTAKABLE)
async def test_by_a_reset(cluster: Cluster, kind: str, step: str, dies: bool) -> None:
    """Afterwards it can be deleted like any other."""
    server_id = await overtaken(cluster, kind, step, dies=dies, by="reset")
    row = await cluster.row(server_id)
    assert (row["vm_state"], row["task_state"]) == ("active", None)
    guests = (await cluster.guests()).get(server_id, [])
    if row["host"] is not None:
        assert (row["host"], row["generation"]) in guests, "the server has its guest"
    await cluster.request("DELETE", f"/servers/{server_id}")
    assert await cluster.settled(server_id) is None
    await cluster.assert_sound()


@pytest.mark.parametrize("by", ["delete", "reset"])
@pytest.mark.parametrize("step", ["snapshot", "vacate", "leave"])
async def test_a_shelved_server_that_keeps_its_place(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, step: str, by: str
) -> None:
    """Its guest and its claim are still there, however its shelving was cut short."""
    keeps = replace(CASES["shelve"], settings=KEEP_SHELVED)
    monkeypatch.setitem(CASES, "shelve", keeps)
    server_id = await overtaken(cluster, "shelve", step, dies=False, by=by)
    if by == "reset":
        row = await cluster.row(server_id)
        assert row["host"] is not None
        assert (await cluster.guests())[server_id] == [(row["host"], row["generation"])]


@pytest.mark.parametrize("dies", [False, True], ids=["alive", "dies"])
async def test_a_guest_that_is_shelved_again_does_not_run(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """What it wrote would be lost: the image is the server."""
    keeps = replace(CASES["unshelve"], settings=KEEP_SHELVED)
    monkeypatch.setitem(CASES, "unshelve", keeps)
    server_id = await overtaken(cluster, "unshelve", "spawn", dies=dies, by="reset")
    host = (await cluster.row(server_id))["host"]
    guest = await cluster.members[host].service.agents[host].driver.guest_info(server_id)
    assert guest.power_state is PowerState.SHUTDOWN

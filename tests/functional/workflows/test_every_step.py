"""Three tests over every step of every workflow.

- fail there, before or after the step has had its effect: it unwinds;
- the conductor dies there, before or after: another one resumes;
- the step is done twice; and every undo is done twice.

After each, claims, ledgers, ports and guests must agree, and the fault must have happened.
Everything is real: PostgreSQL, HTTP neighbours, agents with simulated guests.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import Conflict
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step, StepFunction
from services.conductor.workflows import DEFINITIONS
from tests.support.cluster import Cluster, running_cluster
from tests.support.wait import wait_for

STEPS = [(kind, step.name) for kind, d in sorted(DEFINITIONS.items()) for step in d.steps]
WHEN = ["before", "after"]


class Injected(Conflict):
    """A failure that no workflow knows how to get around."""

    code = "injected"


class Fault:
    """Replaces the functions of one step; counts how often it was reached."""

    def __init__(self) -> None:
        self.fired = 0

    def definitions(self, kind: str, **replaced: Callable[[Step], Step]) -> dict[str, Definition]:
        """DEFINITIONS with the named steps of `kind` replaced."""
        definition = DEFINITIONS[kind]
        steps = tuple(replaced.get(step.name, lambda s: s)(step) for step in definition.steps)
        return {**DEFINITIONS, kind: dataclasses.replace(definition, steps=steps)}

    def failing(self, when: str) -> Callable[[Step], Step]:
        def wrap(step: Step) -> Step:
            async def do(context: Context) -> None:
                if when == "after":
                    await step.do(context)
                self.fired += 1
                raise Injected("injected here")

            return dataclasses.replace(step, do=do)

        return wrap

    def dying(self, when: str, die: Callable[[], Awaitable[None]]) -> Callable[[Step], Step]:
        def wrap(step: Step) -> Step:
            async def do(context: Context) -> None:
                if when == "after":
                    await step.do(context)
                self.fired += 1
                await die()

            return dataclasses.replace(step, do=do)

        return wrap

    def twice(self, function: StepFunction) -> StepFunction:
        async def again(context: Context) -> None:
            await function(context)
            self.fired += 1
            context.resumed = True
            context.changes = type(context.changes)()
            await function(context)

        return again


@pytest.fixture(scope="module")
async def cluster(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    from tests.support.postgres import _named, execute

    await execute(postgres_server, "drop database if exists every_step with (force)")
    await execute(postgres_server, f"create database every_step template {template_database}")
    scratch: Path = tmp_path_factory.mktemp("cluster")
    async with running_cluster(_named(postgres_server, "every_step"), scratch) as running:
        yield running


async def replace_conductor(cluster: Cluster, definitions: dict[str, Definition]) -> None:
    if "conductor" in cluster.members:
        await cluster.stop_member("conductor")
    await cluster.start_conductor(definitions=definitions)


async def prepare(cluster: Cluster, kind: str) -> str | None:
    """A server in the state the workflow starts from; None for build."""
    await replace_conductor(cluster, dict(DEFINITIONS))
    if kind == "build":
        return None
    server_id = await cluster.create_server(name=f"for-{kind}")
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ACTIVE", server
    if kind == "start":
        await cluster.action(server_id, {"os-stop": None})
        await cluster.settled(server_id)
    if kind == "evacuate":
        host = server["OS-EXT-SRV-ATTR:host"]
        await cluster.kill(host)
        await force_down(cluster, host, down=True)
    return server_id


async def force_down(cluster: Cluster, host: str, *, down: bool) -> None:
    _, body = await cluster.request("GET", f"/os-services?host={host}&binary=nova-compute")
    service = body["services"][0]["id"]
    status, body = await cluster.request("PUT", f"/os-services/{service}", {"forced_down": down})
    assert status == 200, body


async def trigger(cluster: Cluster, kind: str, server_id: str | None) -> str:
    if kind == "build":
        return await cluster.create_server(name="for-build")
    assert server_id is not None
    if kind == "delete":
        status, body = await cluster.request("DELETE", f"/servers/{server_id}")
        assert status == 204, body
        return server_id
    body, status = {
        "start": ({"os-start": None}, 202),
        "stop": ({"os-stop": None}, 202),
        "reboot": ({"reboot": {"type": "HARD"}}, 202),
        "evacuate": ({"evacuate": {}}, 200),
    }[kind]
    await cluster.action(server_id, body, status)
    return server_id


DONE: dict[str, str | None] = {
    "build": "ACTIVE",
    "delete": None,
    "start": "ACTIVE",
    "stop": "SHUTOFF",
    "reboot": "ACTIVE",
    "evacuate": "ACTIVE",
}
POINT_OF_NO_RETURN = {("evacuate", "finish")}
"""Steps after which the workflow has succeeded, whatever fails: only cleaning up is left."""

UNDONE = {
    "build": "ERROR",
    "delete": "ERROR",
    "start": "SHUTOFF",
    "stop": "ACTIVE",
    "reboot": "ACTIVE",
    "evacuate": "ERROR",
}


async def clean_up(cluster: Cluster, server_id: str) -> None:
    """Bring every host back, see that all is sound, delete the server, see that nothing is left."""
    if "conductor" not in cluster.members:
        await cluster.start_conductor()
    for host in cluster.hosts:
        if host not in cluster.members:
            await cluster.start_host(host)
            await force_down_ended(cluster, host)
    if await cluster.server(server_id) is not None:
        await cluster.request("DELETE", f"/servers/{server_id}")
        assert await cluster.settled(server_id) is None
    await wait_for(lambda: no_guests(cluster), 10, "every guest to be gone")
    await cluster.assert_sound()


async def no_guests(cluster: Cluster) -> bool:
    return not await cluster.guests()


async def force_down_ended(cluster: Cluster, host: str) -> None:
    async def up() -> bool:
        _, body = await cluster.request("GET", f"/os-services?host={host}")
        service = next(s for s in body["services"] if s["binary"] == "nova-compute")
        if service["forced_down"]:
            await cluster.request("PUT", f"/os-services/{service['id']}", {"forced_down": False})
        return bool(service["state"] == "up")

    await wait_for(up, 10, f"{host} to be up")


async def check(
    cluster: Cluster, kind: str, server_id: str, expected: str | None, *, error: bool
) -> None:
    """The status is `expected` and the latest instance action says whether it went well."""
    server = await cluster.server(server_id)
    assert (server and server["status"]) == expected, server
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    latest = body["instanceActions"][0]
    assert latest["action"] == {"build": "create"}.get(kind, kind), latest
    assert latest["message"] == ("Error" if error else None), latest
    if expected == "ERROR":
        assert server is not None
        assert "injected here" in server["fault"]["message"], server["fault"]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_fail_and_unwind(cluster: Cluster, kind: str, step: str, when: str) -> None:
    fault = Fault()
    server_id = await prepare(cluster, kind)
    await replace_conductor(cluster, fault.definitions(kind, **{step: fault.failing(when)}))
    server_id = await trigger(cluster, kind, server_id)
    await cluster.settled(server_id)
    assert fault.fired == 1
    expected = (DONE if (kind, step) in POINT_OF_NO_RETURN else UNDONE)[kind]
    await check(cluster, kind, server_id, expected, error=True)
    if kind != "delete":  # its leftovers belong to the next delete, in clean_up
        await cluster.assert_sound()
    await replace_conductor(cluster, dict(DEFINITIONS))
    await clean_up(cluster, server_id)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_die_and_resume(cluster: Cluster, kind: str, step: str, when: str) -> None:
    fault = Fault()
    server_id = await prepare(cluster, kind)
    died = asyncio.Event()

    async def die() -> None:
        died.set()
        await asyncio.Event().wait()  # nothing of this run happens any more; kill() cancels it

    await replace_conductor(cluster, fault.definitions(kind, **{step: fault.dying(when, die)}))
    server_id = await trigger(cluster, kind, server_id)
    await asyncio.wait_for(died.wait(), 10)
    await cluster.kill("conductor")
    await cluster.start_conductor()
    await cluster.settled(server_id)
    assert fault.fired == 1
    await check(cluster, kind, server_id, DONE[kind], error=False)
    await cluster.assert_sound()
    await clean_up(cluster, server_id)


@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_do_twice(cluster: Cluster, kind: str, step: str) -> None:
    fault = Fault()
    server_id = await prepare(cluster, kind)

    def wrap(s: Step) -> Step:
        return dataclasses.replace(s, do=fault.twice(s.do))

    await replace_conductor(cluster, fault.definitions(kind, **{step: wrap}))
    server_id = await trigger(cluster, kind, server_id)
    await cluster.settled(server_id)
    assert fault.fired == 1
    await check(cluster, kind, server_id, DONE[kind], error=False)
    await cluster.assert_sound()
    await clean_up(cluster, server_id)


@pytest.mark.parametrize(
    "kind", [k for k, d in sorted(DEFINITIONS.items()) if any(s.undo for s in d.steps)]
)
async def test_undo_twice(cluster: Cluster, kind: str) -> None:
    fault, undone = Fault(), Fault()
    server_id = await prepare(cluster, kind)
    definition = DEFINITIONS[kind]
    last = [step for step in definition.steps if step.undo][-1]

    def wrap(s: Step) -> Step:
        twice = dataclasses.replace(s, undo=undone.twice(s.undo)) if s.undo else s
        return fault.failing("after")(twice) if s.name == last.name else twice

    steps = {step.name: wrap for step in definition.steps}
    await replace_conductor(cluster, fault.definitions(kind, **steps))
    server_id = await trigger(cluster, kind, server_id)
    await cluster.settled(server_id)
    assert fault.fired == 1
    assert undone.fired == sum(step.undo is not None for step in definition.steps)
    await check(cluster, kind, server_id, UNDONE[kind], error=True)
    await cluster.assert_sound()
    await replace_conductor(cluster, dict(DEFINITIONS))
    await clean_up(cluster, server_id)

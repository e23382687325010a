"""What waits for its turn on a server keeps what its request has written there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from services.conductor.engine.context import Context
from services.conductor.workflows import DEFINITIONS
from tests.functional.workflows.test_every_step import CASES, Injected, force_down
from tests.support.cluster import running_cluster


async def test_the_end_of_a_move_leaves_the_task_state_of_the_evacuation_behind_it(
    database_url: str, tmp_path: Path
) -> None:
    seen: list[Any] = []

    async def copy(context: Context) -> None:
        """The source is declared down in mid-copy, and its server evacuated."""
        host = context.server.host
        assert host is not None
        await force_down(cluster, host)
        await cluster.action(str(context.server.uuid), {"evacuate": {}}, 200)
        raise Injected("the copy broke")

    def watched(step: Any) -> Any:
        async def do(context: Context) -> None:
            row = await cluster.row(str(context.server.uuid))
            seen.append(row["task_state"])
            await step.do(context)

        return dataclasses.replace(step, do=do)

    def replaced(kind: str, name: str, change: Any) -> Any:
        definition = DEFINITIONS[kind]
        steps = tuple(change(s) if s.name == name else s for s in definition.steps)
        return dataclasses.replace(definition, steps=steps)

    definitions = {
        **DEFINITIONS,
        "live_migrate": replaced(
            "live_migrate", "copy", lambda step: dataclasses.replace(step, do=copy)
        ),
        "evacuate": replaced("evacuate", "fence", watched),
    }
    async with running_cluster(database_url, tmp_path) as cluster:
        server_id = await cluster.create_server()
        before = await cluster.settled(server_id)
        assert before is not None
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=definitions)
        await CASES["live_migrate"].begins(cluster, server_id)
        server = await cluster.settled(server_id, 60)
        assert seen == ["rebuilding"], "nobody else may begin something meanwhile"
        assert server is not None
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        assert server["OS-EXT-SRV-ATTR:host"] != before["OS-EXT-SRV-ATTR:host"]

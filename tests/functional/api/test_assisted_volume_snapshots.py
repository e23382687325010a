"""The volume service asks for snapshots that only the guest's host can make."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Answer, Deployment

PATH = "/os-assisted-volume-snapshots"
SNAPSHOT = str(uuid4())
LAUNCHED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def with_volume(deployment: Deployment, volume_id: str, **columns: Any) -> str:
    """A server that has the volume."""
    columns = {"launched_at": LAUNCHED, **columns}
    server = await deployment.add_server("demo", columns.pop("host", "host-1"), **columns)
    await deployment.pool.execute(
        "insert into block_devices (uuid, server_uuid, position, source_type, destination_type, "
        "volume_id, device_name) values (gen_random_uuid(), $1, 0, 'volume', 'volume', $2, $3)",
        server,
        volume_id,
        "/dev/vdb",
    )
    return server


async def make(deployment: Deployment, volume_id: str, **info: Any) -> Answer:
    create = {"snapshot_id": SNAPSHOT, "type": "qcow2", "new_file": "file-2", **info}
    body = {"snapshot": {"volume_id": volume_id, "create_info": create}}
    return await deployment.call("POST", PATH, body, v=1)


async def delete(deployment: Deployment, info: Any, v: int = 1, user: str = "admin") -> Answer:
    text = info if isinstance(info, str) else json.dumps(info)
    return await deployment.call("DELETE", f"{PATH}/{SNAPSHOT}?delete_info={text}", v=v, user=user)


async def begun(deployment: Deployment, server: str) -> list[tuple[str, dict[str, Any]]]:
    rows = await deployment.pool.fetch(
        "select kind, state from workflows where server_uuid = $1 order by id", server
    )
    return [(row["kind"], row["state"]) for row in rows]


async def test_both_begin_a_workflow(deployment: Deployment) -> None:
    volume = str(uuid4())
    server = await with_volume(deployment, volume)
    answer = await make(deployment, volume, id=volume)
    assert (answer.status, answer.body) == (
        200,
        {"snapshot": {"id": volume, "volumeId": volume}},
    )
    assert (await make(deployment, volume, id="an-id")).status == 400
    assert (await make(deployment, volume)).body["snapshot"]["id"] is None
    info = {"volume_id": volume, "file_to_merge": "file-2", "merge_target_file": None}
    for v in (1, 104):
        answer = await delete(deployment, info, v)
        assert (answer.status, answer.body) == (204, b"")
    named = {"volume_id": volume, "snapshot_id": SNAPSHOT}
    made = ("snapshot_volume", {**named, "params": {"new_file": "file-2"}})
    merged = ("delete_volume_snapshot", {**named, "params": {"file_to_merge": "file-2"}})
    assert await begun(deployment, server) == [made, made, merged, merged]


@pytest.mark.parametrize(
    "columns",
    [
        {"host": None},
        {"task_state": "rebooting"},
        {"launched_at": None},
    ],
    ids=str,
)
async def test_a_server_that_cannot_is_refused(
    deployment: Deployment, columns: dict[str, Any]
) -> None:
    volume = str(uuid4())
    server = await with_volume(deployment, volume, **columns)
    assert (await make(deployment, volume)).status == 400
    assert (await delete(deployment, {"volume_id": volume})).status == 400
    assert await begun(deployment, server) == []


async def test_the_volume_must_be_on_one_server(deployment: Deployment) -> None:
    volume = str(uuid4())
    answer = await make(deployment, volume)
    message = f"Volume {volume} is not attached to a server."
    assert (answer.status, answer.fault()) == (400, message)
    for _ in range(2):
        await with_volume(deployment, volume)
    answer = await delete(deployment, {"volume_id": volume})
    message = f"Volume {volume} is attached to several servers."
    assert (answer.status, answer.fault()) == (400, message)


@pytest.mark.parametrize("info", ["", "{", "[]", "{}", "null"])
async def test_what_is_to_be_deleted_must_be_told(deployment: Deployment, info: str) -> None:
    assert (await delete(deployment, info)).status == 400
    assert (await deployment.call("DELETE", f"{PATH}/{SNAPSHOT}", v=1)).status == 400


@pytest.mark.parametrize(
    "info", [{"type": "raw"}, {"new_file": ""}, {"snapshot_id": None}, {"more": 1}], ids=str
)
async def test_bad_bodies(deployment: Deployment, info: dict[str, Any]) -> None:
    assert (await make(deployment, str(uuid4()), **info)).status == 400


async def test_unknown_parameters_are_refused_later(deployment: Deployment) -> None:
    path = f"{PATH}/{SNAPSHOT}?delete_info={{}}&more=1"
    for v in (74, 75):
        answer = await deployment.call("DELETE", path, v=v)
        assert answer.status == 400
        assert ("more" in answer.fault()) == (v == 75)


async def test_only_services_and_administrators_may(deployment: Deployment) -> None:
    volume = str(uuid4())
    await with_volume(deployment, volume)
    assert (await delete(deployment, {"volume_id": volume}, user="demo")).status == 403

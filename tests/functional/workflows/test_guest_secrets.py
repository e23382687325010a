"""Passwords and injected files reach the guest, are readable nowhere on their way, and survive the
death of whoever carries them; or the server says that they did not."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from common.bus import memory
from common.domain.guest_data.secrets import GuestSecrets, InjectedFile
from common.errors import Unavailable
from common.messages.base import Message, encode
from common.messages.compute import GuestSpec
from services.compute.drivers.base import NOTHING, GuestInfo, Provision
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.secrets import Secrets
from services.conductor.workflows import DEFINITIONS
from tests.support.cluster import Cluster, running_cluster

PASSWORD = "only-the-guest-may-know"
CONTENT = "nobody-else-may-read"
FILE = {"path": "/etc/motd", "contents": "bm9ib2R5LWVsc2UtbWF5LXJlYWQ="}
GIVEN = GuestSecrets(PASSWORD, (InjectedFile("/etc/motd", CONTENT.encode()),))
WITH_FILES = "2.56"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[GuestSecrets]:
    """What guests were given, in the end."""
    given: list[GuestSecrets] = []
    spawn, rescue = SimulatedDriver.spawn, SimulatedDriver.rescue

    async def and_note(
        self: SimulatedDriver, spec: GuestSpec, held: bool = True, provision: Provision = NOTHING
    ) -> GuestInfo:
        made = await spawn(self, spec, held, provision)
        given.append(provision.secrets)
        return made

    async def and_note_rescue(
        self: SimulatedDriver,
        uuid: str,
        generation: int,
        image_id: str | None = None,
        provision: Provision = NOTHING,
    ) -> None:
        await rescue(self, uuid, generation, image_id, provision)
        given.append(provision.secrets)

    monkeypatch.setattr(SimulatedDriver, "spawn", and_note)
    monkeypatch.setattr(SimulatedDriver, "rescue", and_note_rescue)
    return given


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every message, as it lies in its queue and, should nobody want it, among the dead letters."""
    bodies: list[bytes] = []

    def keep(message: Message) -> bytes:
        bodies.append(encode(message))
        return bodies[-1]

    monkeypatch.setattr(memory, "encode", keep)
    return bodies


@pytest.fixture
async def cluster(database_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(database_url, tmp_path, hosts=("a", "b")) as running:
        yield running


async def create(cluster: Cluster, *, on: str = "a", **fields: Any) -> str:
    """With a password and a file; the rest follows by itself."""
    body = {
        "name": "s",
        "flavorRef": "1",
        "imageRef": await cluster.image_id(),
        "networks": [{"uuid": await cluster.network_id()}],
        "availability_zone": f"nova:{on}",
        "adminPass": PASSWORD,
        "personality": [FILE],
        **fields,
    }
    status, made = await cluster.request("POST", "/servers", {"server": body}, version=WITH_FILES)
    assert status == 202, made
    assert made["server"]["adminPass"] == PASSWORD
    return str(made["server"]["id"])


async def act(cluster: Cluster, server_id: str, body: dict[str, Any], version: str) -> None:
    path = f"/servers/{server_id}/action"
    status, answer = await cluster.request("POST", path, body, version=version)
    assert status in {200, 202}, answer


async def ended(cluster: Cluster, server_id: str, status: str) -> dict[str, Any]:
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == status, server
    return server


async def test_of_every_request_that_has_some(cluster: Cluster, heard: list[GuestSecrets]) -> None:
    server_id = await create(cluster)
    await ended(cluster, server_id, "ACTIVE")
    rebuild = {"imageRef": await cluster.image_id(), "adminPass": "2", "personality": [FILE]}
    await act(cluster, server_id, {"rebuild": rebuild}, WITH_FILES)
    await ended(cluster, server_id, "ACTIVE")
    await act(cluster, server_id, {"rescue": {"adminPass": "3"}}, WITH_FILES)
    await ended(cluster, server_id, "RESCUE")
    await act(cluster, server_id, {"unrescue": None}, WITH_FILES)
    await ended(cluster, server_id, "ACTIVE")
    await cluster.kill("a")
    _, found = await cluster.request("GET", "/os-services?host=a&binary=nova-compute")
    service = f"/os-services/{found['services'][0]['id']}"
    await cluster.request("PUT", service, {"forced_down": True})
    await act(cluster, server_id, {"evacuate": {"adminPass": "4"}}, "2.90")
    await ended(cluster, server_id, "ACTIVE")
    assert heard == [
        GIVEN, dataclasses.replace(GIVEN, admin_password="2"), GuestSecrets("3"), GuestSecrets("4"),
    ]  # fmt: skip
    body: dict[str, Any] = {"os-getConsoleOutput": {}}
    _, answer = await cluster.request("POST", f"/servers/{server_id}/action", body)
    assert "password of the administrator was set" in answer["output"]


async def test_readable_nowhere(
    cluster: Cluster,
    heard: list[GuestSecrets],
    sent: list[bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server_id = await create(cluster, config_drive=True)
    tables = await cluster.pool.fetch(
        "select table_name from information_schema.tables where table_schema = 'public'"
    )
    for table in tables:
        rows = await cluster.pool.fetch(f"select t::text as row from {table['table_name']} t")
        for word in (PASSWORD, CONTENT, FILE["contents"]):
            assert not any(word in row["row"] for row in rows), table["table_name"]
    await ended(cluster, server_id, "ACTIVE")
    assert heard == [GIVEN]
    assert any(b"sealed_secrets" in body for body in sent)
    printed = capsys.readouterr()
    for word in (PASSWORD, CONTENT, FILE["contents"]):
        assert not any(word.encode() in body for body in sent), word
        assert word not in printed.out + printed.err, word
    state = cluster.scratch / "compute" / "a"
    kept = b"".join(f.read_bytes() for f in state.rglob("*") if f.is_file() and f.suffix != ".iso")
    assert server_id.encode() in kept
    assert PASSWORD.encode() not in kept
    assert CONTENT.encode() not in kept
    drive = (state / "drives" / f"{server_id}.iso").read_bytes()
    assert PASSWORD.encode() in drive
    assert CONTENT.encode() in drive


async def test_a_host_that_dies_after_it_has_told_its_key(
    cluster: Cluster, heard: list[GuestSecrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    tell, restarts = Secrets.sealing_key, []

    async def restart() -> None:
        await cluster.kill("a")
        await cluster.start_host("a")

    async def and_die(self: Secrets, uuid: str) -> str:
        told.append(await tell(self, uuid))
        if len(told) == 1:
            restarts.append(asyncio.ensure_future(restart()))
        return told[-1]

    monkeypatch.setattr(Secrets, "sealing_key", and_die)
    server_id = await create(cluster)
    server = await ended(cluster, server_id, "ACTIVE")
    await asyncio.gather(*restarts)
    assert server["OS-EXT-SRV-ATTR:host"] == "a"
    assert heard[-1] == GIVEN
    assert len(set(told)) >= 2
    await cluster.assert_sound()


async def test_a_server_says_when_its_guest_could_not_be_given_them(
    cluster: Cluster, heard: list[GuestSecrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Secrets, _uuid: str, _sealed: str | None) -> GuestSecrets:
        raise Unavailable("cannot be opened")

    monkeypatch.setattr(Secrets, "of_guest", refuse)
    build = DEFINITIONS["build"]
    hasty = [dataclasses.replace(s, deadline_s=min(s.deadline_s, 3.0)) for s in build.steps]
    await cluster.stop_member("conductor")
    definitions = {**DEFINITIONS, "build": dataclasses.replace(build, steps=tuple(hasty))}
    await cluster.start_conductor(definitions=definitions)
    server = await ended(cluster, await create(cluster), "ERROR")
    assert "cannot be opened" in server["fault"]["message"]
    assert heard == []
    await cluster.assert_sound()

"""A new password reaches its guest, and is readable nowhere on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.bus import memory
from common.messages.base import Message, encode
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.secrets import Secrets
from tests.support.cluster import Cluster, running_cluster

SECRET = "only-the-guest-may-know"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that guests were given."""
    passwords: list[str] = []

    async def hear(_: SimulatedDriver, uuid: str, generation: int, password: str) -> None:
        passwords.append(password)

    monkeypatch.setattr(SimulatedDriver, "set_admin_password", hear)
    return passwords


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every message, as it lies in its queue and, should nobody want it, among the dead letters."""
    bodies: list[bytes] = []

    def keep(message: Message) -> bytes:
        bodies.append(encode(message))
        return bodies[-1]

    monkeypatch.setattr(memory, "encode", keep)
    return bodies


async def _change(cluster: Cluster, server_id: str) -> Any:
    await cluster.action(server_id, {"changePassword": {"adminPass": SECRET}})
    server = await cluster.settled(server_id)
    assert server is not None
    return server["status"]


async def test_no_message_and_no_log_has_the_password(
    database_url: str,
    tmp_path: Path,
    sent: list[bytes],
    heard: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running_cluster(database_url, tmp_path, hosts=("a",)) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        assert await _change(cluster, server_id) == "ACTIVE"
        await cluster.assert_sound()
    assert heard == [SECRET]
    assert any(b"set_admin_password" in body for body in sent)
    assert not any(SECRET.encode() in body for body in sent)
    printed = capsys.readouterr()
    assert "set_admin_password" in printed.out + printed.err
    assert SECRET not in printed.out + printed.err


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that hosts have told."""
    keys: list[str] = []
    tell = Secrets.sealing_key

    async def and_note(self: Secrets, uuid: str) -> str:
        keys.append(await tell(self, uuid))
        return keys[-1]

    monkeypatch.setattr(Secrets, "sealing_key", and_note)
    return keys


async def test_host_that_forgot_its_key_is_asked_for_another(
    database_url: str, tmp_path: Path, heard: list[str], told: list[str]
) -> None:
    async with running_cluster(database_url, tmp_path, hosts=("a",)) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        await cluster.kill("a")
        await cluster.start_host("a")
        assert await _change(cluster, server_id) == "ACTIVE"
        await cluster.assert_sound()
    assert heard == [SECRET]
    assert len(told) == len(set(told)) == 2


async def test_a_key_is_asked_for_once(
    database_url: str, tmp_path: Path, heard: list[str], told: list[str]
) -> None:
    async with running_cluster(database_url, tmp_path, hosts=("a",)) as cluster:
        for _ in range(2):
            server_id = await cluster.create_server()
            await cluster.settled(server_id)
        assert await _change(cluster, server_id) == "ACTIVE"
    assert (heard, len(told)) == ([SECRET], 1)

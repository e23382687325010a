"""Secrets for a host: readable by the present life of its agent, and by nobody else."""

from __future__ import annotations

import functools

import pytest

from common.auth.sealed_boxes import KeyPair, seal_for
from common.errors import InvalidInput, Unavailable
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.compute.support import Rig, code


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    passwords: list[str] = []

    async def hear(_: SimulatedDriver, uuid: str, generation: int, password: str) -> None:
        passwords.append(password)

    monkeypatch.setattr(SimulatedDriver, "set_admin_password", hear)
    return passwords


async def key_of(rig: Rig, guest: str) -> str:
    reply = await rig.conductor.tell("sealing_key", guest)
    assert reply.error is None, reply
    return str(reply.result["key"])


async def test_a_password_arrives(rig: Rig, heard: list[str]) -> None:
    await rig.start()
    guest = await rig.conductor.spawn()
    key = await key_of(rig, guest)
    assert await key_of(rig, guest) == key
    sealed = seal_for(key, "s3cret", about=guest)
    reply = await rig.conductor.tell("set_admin_password", guest, sealed_password=sealed)
    assert (reply.error, heard) == (None, ["s3cret"])


async def test_the_next_life_cannot_read_it_and_takes_another_under_the_same_id(
    rig: Rig, heard: list[str]
) -> None:
    first = await rig.start()
    guest = await rig.conductor.spawn()
    sealed = seal_for(await key_of(rig, guest), "s3cret", about=guest)
    await rig.kill(first)
    await rig.start()
    tell = functools.partial(rig.conductor.tell, "set_admin_password", guest, workflow_id=900)
    reply = await tell(sealed_password=sealed)
    assert (code(reply), heard) == ("unavailable", [])
    sealed = seal_for(await key_of(rig, guest), "s3cret", about=guest)
    reply = await tell(sealed_password=sealed)
    assert (reply.error, heard) == (None, ["s3cret"])


async def test_it_is_for_one_guest_only(rig: Rig, heard: list[str]) -> None:
    await rig.start()
    one, other = await rig.conductor.spawn(), await rig.conductor.spawn()
    sealed = seal_for(await key_of(rig, one), "s3cret", about=one)
    reply = await rig.conductor.tell("set_admin_password", other, sealed_password=sealed)
    assert (code(reply), heard) == ("unavailable", [])


async def test_plain_text_is_refused(rig: Rig, heard: list[str]) -> None:
    await rig.start()
    guest = await rig.conductor.spawn()
    reply = await rig.conductor.tell("set_admin_password", guest, password="s3cret")
    assert (code(reply), heard) == ("invalid_input", [])


def test_a_sealed_secret_does_not_show_itself() -> None:
    keys = KeyPair()
    one, two = (seal_for(keys.public_key(), "s3cret", about="x") for _ in range(2))
    assert one != two
    assert keys.open(one, about="x") == "s3cret"
    for broken, kind in ((one[4:], Unavailable), ("", Unavailable), ("%", InvalidInput)):
        with pytest.raises(kind) as caught:
            keys.open(broken, about="x")
        assert "s3cret" not in str(caught.value)
    with pytest.raises(Unavailable):
        KeyPair().open(one, about="x")

"""Secrets for a host: readable by the present life of its agent, and by nobody else."""

from __future__ import annotations

import functools

import pytest

from common.auth.sealed_boxes import KeyPair, seal_for
from common.domain.guest_data.secrets import GuestSecrets, InjectedFile
from common.errors import InvalidInput, Unavailable
from common.messages.compute import GuestSpec
from services.compute.drivers.base import GuestInfo, Provision
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.compute.support import Rig, code
from tests.integration.drivers.support import make_spec

SECRETS = GuestSecrets("s3cret", (InjectedFile("/etc/motd", b"hi"),))


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


class TestOfNewGuests:
    """What comes sealed with the command that makes a guest."""

    @pytest.fixture
    def given(self, monkeypatch: pytest.MonkeyPatch) -> list[GuestSecrets]:
        secrets: list[GuestSecrets] = []
        spawn = SimulatedDriver.spawn

        async def and_note(
            self: SimulatedDriver, spec: GuestSpec, held: bool, provision: Provision
        ) -> GuestInfo:
            secrets.append(provision.secrets)
            assert spec.sealed_secrets is None, "the driver keeps its spec"
            return await spawn(self, spec, held, provision)

        monkeypatch.setattr(SimulatedDriver, "spawn", and_note)
        return secrets

    async def test_they_arrive(self, rig: Rig, given: list[GuestSecrets]) -> None:
        await rig.start()
        spec = make_spec()
        sealed = seal_for(await key_of(rig, spec.uuid), SECRETS.to_text(), about=spec.uuid)
        reply = await rig.conductor.tell(
            "spawn", spec.model_copy(update={"sealed_secrets": sealed})
        )
        assert (reply.error, given) == (None, [SECRETS])
        sealed = seal_for(
            await key_of(rig, spec.uuid), GuestSecrets("3").to_text(), about=spec.uuid
        )
        await rig.conductor.release(spec.uuid)
        reply = await rig.conductor.tell("rescue", spec.uuid, sealed_secrets=sealed)
        assert reply.error is None

    async def test_another_life_or_another_guest_makes_none(
        self, rig: Rig, given: list[GuestSecrets]
    ) -> None:
        first = await rig.start()
        spec, other = make_spec(), make_spec()
        sealed = seal_for(await key_of(rig, spec.uuid), SECRETS.to_text(), about=spec.uuid)
        reply = await rig.conductor.tell(
            "spawn", other.model_copy(update={"sealed_secrets": sealed})
        )
        assert code(reply) == "unavailable"
        await rig.kill(first)
        await rig.start()
        reply = await rig.conductor.tell(
            "spawn", spec.model_copy(update={"sealed_secrets": sealed})
        )
        assert (code(reply), given) == ("unavailable", [])

    async def test_a_conductor_that_knows_no_drives(
        self, rig: Rig, given: list[GuestSecrets]
    ) -> None:
        await rig.start()
        spec = make_spec().model_copy(update={"config_drive": True})
        assert (await rig.conductor.tell("spawn", spec)).error is None
        assert given == [GuestSecrets()]

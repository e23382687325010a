"""What every driver does with what a guest gets beside its image."""

from __future__ import annotations

from typing import Any

from common.domain.guest_data.secrets import GuestSecrets, InjectedFile
from services.compute.drivers.base import Phase, Provision
from tests.integration.drivers.contract import Contract
from tests.integration.drivers.support import make_spec

PASSWORD = "known-to-the-guest-only"
FILE = InjectedFile("/etc/motd", b"for-the-guest-only")
PROVISION = Provision(GuestSecrets(PASSWORD, (FILE,)), config_drive=b"an image")


class ProvisionContract(Contract):
    async def test_a_guest_is_made_with_it(self, driver: Any) -> None:
        spec = make_spec()
        for _ in range(2):
            made = await driver.spawn(spec, False, PROVISION)
            assert (made.generation, made.phase) == (1, Phase.READY)
        shown = await driver.console_output(spec.uuid)
        assert FILE.path in shown
        assert "password" in shown
        assert PASSWORD not in shown
        assert "for-the-guest-only" not in shown

    async def test_its_successor_has_its_own(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, False, PROVISION)
        await driver.spawn(make_spec(spec.uuid, generation=2), False)
        assert FILE.path not in await driver.console_output(spec.uuid)

    async def test_it_survives_a_restart(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, False, PROVISION)
        before = await driver.console_output(spec.uuid)
        await driver.stop()
        await driver.start()
        assert await driver.console_output(spec.uuid) == before

    async def test_a_rescue_has_a_password_of_its_own(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        assert "password" not in await driver.console_output(spec.uuid)
        await driver.rescue(spec.uuid, 1, None, Provision(GuestSecrets(PASSWORD)))
        shown = await driver.console_output(spec.uuid, 15)
        assert "password" in shown
        assert PASSWORD not in shown
        await driver.unrescue(spec.uuid, 1)
        assert "password" not in await driver.console_output(spec.uuid, 15)

    async def test_a_move_gives_it_a_drive_again(self, driver: Any, make_other_driver: Any) -> None:
        other = make_other_driver()
        await other.start()
        spec = make_spec()
        await driver.spawn(spec, False, PROVISION)
        await driver.migrate_out(spec.uuid, 1)
        there = make_spec(spec.uuid, generation=2)
        drive = Provision(config_drive=b"a new image")
        made = await other.finish_migration(there, held=False, provision=drive)
        assert made.phase is Phase.READY
        await other.stop()

"""What a guest gets with its boot: secrets are opened, a config drive is made, the driver acts.

Owns: `spawn`, `finish_migration` and `rescue` on their way to the driver.
May not: keep or log anything of it. What the driver is told of a guest, and keeps, has no secret.
Crash story: nothing was done before the driver did it. A command that is repeated makes the drive
again; one that was sealed for an earlier life is unavailable, and comes again sealed anew.
"""

from __future__ import annotations

import asyncio
import secrets as randomness
from typing import cast

import structlog

from common.domain.guest_data import drive
from common.domain.guest_data.openstack import SEED_BYTES
from common.domain.states import PowerState
from common.messages.compute import GuestSpec
from services.compute import config_drive
from services.compute.drivers.base import NOTHING, Driver, GuestInfo, Provision
from services.compute.drivers.optional import Migrate, Rescue
from services.compute.secrets import Secrets

log = structlog.get_logger(__name__)


class Provisioning:
    """An actor of the host's verbs."""

    def __init__(self, driver: Driver, secrets: Secrets) -> None:
        self._driver = driver
        self._secrets = secrets

    async def spawn(self, spec: GuestSpec, held: bool = True) -> GuestInfo:
        provision = await self._provision(spec)
        return await self._driver.spawn(_bare(spec), held, provision)

    async def finish_migration(
        self, spec: GuestSpec, power_state: PowerState = PowerState.RUNNING, held: bool = True
    ) -> GuestInfo:
        provision = await self._provision(spec)
        driver = cast(Migrate, self._driver)
        return await driver.finish_migration(_bare(spec), power_state, held, provision)

    async def rescue(
        self,
        uuid: str,
        generation: int,
        image_id: str | None = None,
        sealed_secrets: str | None = None,
    ) -> None:
        provision = Provision(self._secrets.of_guest(uuid, sealed_secrets))
        await cast(Rescue, self._driver).rescue(uuid, generation, image_id, provision)

    async def _provision(self, spec: GuestSpec) -> Provision:
        """Raises as `Secrets` does. A conductor of an earlier release says nothing that could be on
        a drive: then there is none, as there was none with it."""
        told = spec.told()
        if spec.config_drive and told is None:
            log.warning("config_drive_without_facts", server=spec.uuid)
        if told is None and spec.sealed_secrets is None:
            return NOTHING
        secrets = self._secrets.of_guest(spec.uuid, spec.sealed_secrets)
        if told is None:
            return Provision(secrets)
        files = drive.files(told, randomness.token_bytes(SEED_BYTES), secrets)
        return Provision(secrets, await asyncio.to_thread(config_drive.image, files))


def _bare(spec: GuestSpec) -> GuestSpec:
    """As the driver keeps it."""
    if spec.facts is None and spec.sealed_secrets is None:
        return spec
    return spec.model_copy(update={"facts": None, "sealed_secrets": None})

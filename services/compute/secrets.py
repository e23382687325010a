"""Secrets sent to this host: sealed for the present life of its agent, opened at the last moment.

Owns: the key pair of this life; `sealing_key`, `set_admin_password` on its way to the driver, and
the opening of what comes with a new guest (`provisioning.py`).
May not: keep or log a secret. A host that is never sent one makes no key.
Crash story: the next life has another key. A command sealed for this one, in the queue or among
the dead letters, is unreadable from then on; it fails as unavailable, the conductor asks for the
new key and seals again.
"""

from __future__ import annotations

from typing import cast

from common.auth.sealed_boxes import KeyPair
from common.domain.guest_data.secrets import GuestSecrets
from services.compute.drivers.base import Driver
from services.compute.drivers.optional import AdminPassword


class Secrets:
    """An actor of the host's verbs."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._keys = KeyPair()

    async def sealing_key(self, uuid: str) -> str:  # noqa: ARG002 - one key for all guests
        """What secrets for this host are to be sealed with from now on."""
        return self._keys.public_key()

    async def set_admin_password(self, uuid: str, generation: int, sealed_password: str) -> None:
        """Raises `Unavailable` when it was sealed for an earlier life, or for another guest."""
        password = self._keys.open(sealed_password, about=uuid)
        await cast(AdminPassword, self._driver).set_admin_password(uuid, generation, password)

    def of_guest(self, uuid: str, sealed: str | None) -> GuestSecrets:
        """Raises as `set_admin_password` does."""
        if sealed is None:
            return GuestSecrets()
        return GuestSecrets.from_text(self._keys.open(sealed, about=uuid))

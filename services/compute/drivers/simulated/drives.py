"""The config drives of a simulated host's guests.

Owns: `<state_dir>/<host>/drives/<uuid>.iso`, for their owner only: a drive may hold a password.
May not: read them. Crash story: a drive is replaced whole by rename, before its guest says that it
has it; `sweep` at the start removes those whose guest is gone.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from services.compute.drivers.base import Provision
from services.compute.drivers.simulated.store import Guest, replace_file

_SUFFIX = ".iso"


class Drives:
    """Each method costs nothing for a guest without a drive."""

    def __init__(self, host_directory: Path) -> None:
        self._directory = host_directory / "drives"

    def path(self, uuid: str) -> Path:
        return self._directory / f"{uuid}{_SUFFIX}"

    def put(self, uuid: str, image: bytes | None) -> None:
        """Have this drive in place of what there was; None for none."""
        if image is None:
            self.remove(uuid)
            return
        self._directory.mkdir(mode=0o700, exist_ok=True)
        replace_file(str(self.path(uuid)), image, mode=0o600)

    def remove(self, uuid: str) -> None:
        self.path(uuid).unlink(missing_ok=True)

    def sweep(self, uuids: Container[str]) -> None:
        """Remove what belongs to no guest of `uuids`."""
        if self._directory.is_dir():
            for file in list(self._directory.iterdir()):
                if file.suffix != _SUFFIX or file.stem not in uuids:
                    file.unlink()


def provisioned(guest: Guest, provision: Provision) -> Guest:
    """With what it remembers of what it was given: that there was a password, never which."""
    drive, secrets = provision.config_drive, provision.secrets
    return replace(
        guest,
        password=secrets.admin_password is not None,
        files=tuple(file.path for file in secrets.files),
        drive_bytes=None if drive is None else len(drive),
    )

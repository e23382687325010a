"""What a guest is given once, with its first boot, and nobody else may read: its administrator's
password and the files its user sends along.

Owns: the form in which both travel, sealed, from the request to the host.
May not: be logged, stored readable, or shown by its `repr`.
Crash story: none; values.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True)
class InjectedFile:
    """Where it goes in the guest, and what is in it."""

    path: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class GuestSecrets:
    admin_password: str | None = field(default=None, repr=False)
    files: tuple[InjectedFile, ...] = ()

    def to_text(self) -> str:
        """To be sealed."""
        files = [[f.path, base64.b64encode(f.content).decode()] for f in self.files]
        return orjson.dumps({"admin_password": self.admin_password, "files": files}).decode()

    @classmethod
    def from_text(cls, text: str) -> GuestSecrets:
        content: dict[str, Any] = orjson.loads(text)
        return cls(
            content["admin_password"],
            tuple(InjectedFile(path, base64.b64decode(body)) for path, body in content["files"]),
        )


def injected_files(personality: Sequence[dict[str, str]]) -> tuple[InjectedFile, ...]:
    """Of a request whose files have been checked; their contents are base64."""
    return tuple(
        InjectedFile(file["path"], base64.b64decode(file["contents"])) for file in personality
    )

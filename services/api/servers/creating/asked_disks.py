"""What a create request says of disks.

Owns: reading both forms of block_device_mapping. May not: do I/O, or judge what depends on the
image or the flavor. Crash story: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import InvalidInput
from services.api import versions
from services.api.request import Request

_ATTACH_VOLUME = "os_compute_api:servers:create:attach_volume"


@dataclass(frozen=True)
class AskedDisks:
    """As sent, with typed values, and what is allowed of it here."""

    legacy: Sequence[Mapping[str, Any]]
    current: Sequence[Mapping[str, Any]]
    multiattach: bool
    """Whether the version knows volumes that several servers have."""
    most: int
    """Disks a server may have; -1: any number."""
    most_local: int


def disks(request: Request, server: dict[str, Any]) -> AskedDisks:
    """Raises `Forbidden` where disks may not be asked for, `InvalidInput` without any."""
    settings = request.app.settings.disks
    asked = AskedDisks(
        server.get("block_device_mapping") or (),
        server.get("block_device_mapping_v2") or (),
        multiattach=request.v >= versions.MULTIATTACH,
        most=settings.most,
        most_local=settings.most_local,
    )
    if asked.legacy or asked.current:
        request.require(_ATTACH_VOLUME)
    elif not server.get("imageRef"):
        raise InvalidInput("Missing imageRef attribute")
    return asked

"""Volumes of simulated guests: disks that come and go.

Owns: what attaching, detaching, swapping and enlarging do to a guest.
May not: reach a volume service; a simulated guest has no data, so that its volumes are entries of
its spec. Crash story: each verb is one write of the guest's file (`store.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.errors import NotFound
from common.messages.compute import VolumeDevice
from services.compute.drivers.simulated.host import SimulatedHost
from services.compute.drivers.simulated.store import Guest


class VolumeVerbs(SimulatedHost):
    """`Volumes` of drivers/optional.py."""

    async def volume_connector(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "ip": "127.0.0.1",
            "initiator": f"iqn.2026-11.simulated:{self.host}",
            "multipath": False,
            "platform": "x86_64",
            "os_type": "linux",
        }

    async def attach_volume(self, uuid: str, generation: int, volume: VolumeDevice) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            present = {each.volume_id: each for each in guest.spec.volumes}
            before = present.get(volume.volume_id)
            if before is None or before.attachment_id != volume.attachment_id:
                others = [v for v in guest.spec.volumes if v.volume_id != volume.volume_id]
                self._settle(with_volumes(guest, [*others, volume]), "attached")

        await self._run("attach_volume", uuid, apply, pretend=_nothing)

    async def detach_volume(self, uuid: str, generation: int, volume_id: str) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            kept = [v for v in guest.spec.volumes if v.volume_id != volume_id]
            if len(kept) < len(guest.spec.volumes):
                self._settle(with_volumes(guest, kept), "detached")

        await self._run("detach_volume", uuid, apply, pretend=_nothing)

    async def swap_volume(
        self, uuid: str, generation: int, old_volume_id: str, volume: VolumeDevice
    ) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            present = [v.volume_id for v in guest.spec.volumes]
            if old_volume_id in present:
                swapped = [
                    volume if v.volume_id == old_volume_id else v for v in guest.spec.volumes
                ]
                self._settle(with_volumes(guest, swapped), "swapped")
            elif volume.volume_id not in present:
                raise NotFound(f"guest {uuid} has no volume {old_volume_id}")

        await self._run("swap_volume", uuid, apply, pretend=_nothing)

    async def extend_volume(
        self, uuid: str, generation: int, volume_id: str, size_gib: int
    ) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            if volume_id not in {v.volume_id for v in guest.spec.volumes}:
                raise NotFound(f"guest {uuid} has no volume {volume_id}")
            grown = [
                v.model_copy(update={"size_gib": size_gib}) if v.volume_id == volume_id else v
                for v in guest.spec.volumes
            ]
            self._settle(with_volumes(guest, grown), "extended")

        await self._run("extend_volume", uuid, apply, pretend=_nothing)


def with_volumes(guest: Guest, volumes: Sequence[VolumeDevice]) -> Guest:
    """The guest with these volumes."""
    spec = guest.spec.model_copy(update={"volumes": list(volumes)})
    return replace(guest, spec=spec)


def _nothing() -> None:
    """What a verb without a result pretends to return."""

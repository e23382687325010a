"""Snapshots of the volumes of simulated guests.

Owns: what making and deleting one does to a guest: a simulated guest has no data, so that all that
is seen of them is a line on its console.
May not: reach a volume service. Crash story: nothing but that line is kept.
"""

from __future__ import annotations

from common.errors import NotFound
from services.compute.drivers.simulated.host import SimulatedHost


class VolumeSnapshotVerbs(SimulatedHost):
    """`VolumeSnapshots` of drivers/optional.py."""

    async def snapshot_volume(
        self, uuid: str, generation: int, volume_id: str, snapshot_id: str, new_file: str
    ) -> None:
        del snapshot_id, new_file  # there are no files
        await self._note("snapshot_volume", uuid, generation, volume_id, "layered")

    async def delete_volume_snapshot(
        self,
        uuid: str,
        generation: int,
        volume_id: str,
        snapshot_id: str,
        *,
        file_to_merge: str | None = None,
        merge_target_file: str | None = None,
    ) -> None:
        del snapshot_id, file_to_merge, merge_target_file
        await self._note("delete_volume_snapshot", uuid, generation, volume_id, "merged")

    async def _note(
        self, verb: str, uuid: str, generation: int, volume_id: str, reason: str
    ) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            if volume_id not in {volume.volume_id for volume in guest.spec.volumes}:
                raise NotFound(f"guest {uuid} has no volume {volume_id}")
            self._settle(guest, reason)

        await self._run(verb, uuid, apply, pretend=_nothing)


def _nothing() -> None:
    """What a verb without a result pretends to return."""

"""How guests leave a simulated host: cold, or live with their memory copied first.

Owns: the source's verbs of a move, and live migrations that are going on.
May not: know the destination. Crash story: a live migration dies with the agent, its guest stays;
leaving is one write (`store.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from common.config.settings import ComputeSettings
from common.domain.states import PowerState
from common.errors import Conflict, MigrationAborted, NotFound
from common.runtime.ports import Clock
from services.compute.drivers.base import Phase
from services.compute.drivers.optional import MigrationProgress
from services.compute.drivers.simulated.host import SimulatedHost
from services.compute.faults import FaultRegistry

LIVE_MIGRATION_STEPS = 20
"""Memory is copied in this many steps; an abort or a forced completion waits for the next one."""

_MIB = 1024 * 1024


@dataclass(slots=True)
class LiveMigration:
    """One that is going on; it dies with the agent and the guest stays."""

    total_bytes: int
    processed_bytes: int = 0
    aborted: bool = False
    forced: bool = False


class LeavingVerbs(SimulatedHost):
    """`migrate_out`, and `LiveMigrate` of drivers/optional.py."""

    def __init__(
        self,
        host: str,
        settings: ComputeSettings,
        clock: Clock,
        *,
        faults: FaultRegistry | None = None,
    ) -> None:
        super().__init__(host, settings, clock, faults=faults)
        self._live: dict[str, LiveMigration] = {}

    async def migrate_out(self, uuid: str, generation: int) -> None:
        await self._run(
            "migrate_out", uuid, lambda: self._leave(uuid, generation), pretend=lambda: None
        )

    async def live_migrate(self, uuid: str, generation: int) -> None:
        self._observe()
        guest = self._find(uuid, generation)
        if uuid in self._live:
            raise Conflict(f"guest {uuid} is being migrated already")
        migration = LiveMigration(guest.spec.memory_mib * _MIB)

        def apply() -> None:
            if migration.aborted:
                raise MigrationAborted
            self._leave(uuid, generation)

        self._live[uuid] = migration
        try:
            await self._run(
                "live_migrate",
                uuid,
                apply,
                pretend=lambda: None,
                wait=lambda extra_s: self._copy_memory(migration, extra_s),
            )
        finally:
            del self._live[uuid]

    async def live_migration_progress(self, uuid: str) -> MigrationProgress:
        migration = self._live_migration(uuid)
        return MigrationProgress(migration.total_bytes, migration.processed_bytes)

    async def live_migration_abort(self, uuid: str) -> None:
        self._live_migration(uuid).aborted = True

    async def live_migration_force_complete(self, uuid: str) -> None:
        self._live_migration(uuid).forced = True

    def _leave(self, uuid: str, generation: int) -> None:
        if self._find(uuid, generation).phase is not Phase.MIGRATED_OUT:
            guest = self._usable(uuid, generation)
            off = PowerState.SHUTDOWN
            self._settle(replace(guest, phase=Phase.MIGRATED_OUT, power_state=off), "left")

    async def _copy_memory(self, migration: LiveMigration, extra_s: float) -> None:
        for step in range(1, LIVE_MIGRATION_STEPS + 1):
            if migration.aborted or migration.forced:
                return
            await self._take_time("live_migrate", extra_s, share=1 / LIVE_MIGRATION_STEPS)
            migration.processed_bytes = migration.total_bytes * step // LIVE_MIGRATION_STEPS

    def _live_migration(self, uuid: str) -> LiveMigration:
        try:
            return self._live[uuid]
        except KeyError:
            raise NotFound(f"no live migration of {uuid} is going on") from None

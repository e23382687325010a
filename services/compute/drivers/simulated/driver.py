"""The verbs of a simulated host.

Owns: what each verb does to a guest, in one synchronous step after its latency (`host.py`).
May not: write files or logs itself, or touch a guest that is held, except to destroy it.
Crash story: see `store.py` (state) and `execution.py` (what ran when).

A rebuild is a `spawn` under a new generation; an unrescue is a boot without the rescue image.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from common.domain.states import PowerState
from common.errors import Conflict, InvalidInput, StaleGeneration
from common.messages.compute import GuestSpec, VolumeDevice
from services.compute.drivers.base import (
    MADE,
    NOTHING,
    Capabilities,
    GuestInfo,
    Phase,
    Provision,
    RebootType,
)
from services.compute.drivers.simulated import console
from services.compute.drivers.simulated.consoles import PROTOCOLS
from services.compute.drivers.simulated.consoles.verbs import ConsoleVerbs
from services.compute.drivers.simulated.drives import provisioned
from services.compute.drivers.simulated.host import SimulatedHost
from services.compute.drivers.simulated.images import ImageVerbs
from services.compute.drivers.simulated.interfaces import InterfaceVerbs
from services.compute.drivers.simulated.leaving import LeavingVerbs
from services.compute.drivers.simulated.store import Guest, check_uuid
from services.compute.drivers.simulated.verbs import POWER_CHANGES
from services.compute.drivers.simulated.volume_snapshots import VolumeSnapshotVerbs
from services.compute.drivers.simulated.volumes import VolumeVerbs, with_volumes

SNAPSHOT_CHUNK_BYTES = 65_536
SNAPSHOT_CHUNKS = 4


class SimulatedDriver(
    ImageVerbs,
    InterfaceVerbs,
    LeavingVerbs,
    VolumeVerbs,
    VolumeSnapshotVerbs,
    ConsoleVerbs,
    SimulatedHost,
):
    """All protocols of drivers/ for one simulated host."""

    capabilities = Capabilities(
        pause=True,
        suspend=True,
        rescue=True,
        snapshot=True,
        admin_password=True,
        crash_dump=True,
        migrate=True,
        live_migrate=True,
        image_cache=True,
        interfaces=True,
        fencing=True,
        consoles=PROTOCOLS,
        volumes=True,
        volume_snapshots=True,
    )
    snapshot_format = "raw"

    async def spawn(
        self, spec: GuestSpec, held: bool = True, provision: Provision = NOTHING
    ) -> GuestInfo:
        power_state = PowerState.RUNNING if spec.power_on else PowerState.SHUTDOWN
        return await self._make("spawn", spec, power_state, "boot", provision, held=held)

    async def destroy(self, uuid: str, generation: int) -> None:
        def apply() -> None:
            guest = self._guests.get(uuid)
            if guest is not None and guest.generation > generation:
                return
            self._store.bury(uuid, generation, self._execution.now())
            self._drives.remove(uuid)
            if guest is not None:
                self._execution.destroyed(guest)
                self._consoles.end(uuid)

        await self._run("destroy", uuid, apply, pretend=_nothing)

    async def power_on(self, uuid: str, generation: int) -> None:
        await self._power("power_on", uuid, generation)

    async def power_off(self, uuid: str, generation: int, timeout_s: float = 60.0) -> None:
        await self._power("power_off", uuid, generation, longest_s=timeout_s)

    async def reboot(
        self,
        uuid: str,
        generation: int,
        kind: RebootType = "soft",
        *,
        volumes: list[VolumeDevice] | None = None,
    ) -> None:
        change = f"reboot_{kind}"
        if change not in POWER_CHANGES:
            raise InvalidInput(f"kind: {kind!r} is no way to reboot; use soft or hard")
        given = volumes if kind == "hard" else None
        await self._power("reboot", uuid, generation, change=change, volumes=given)

    async def console_output(self, uuid: str, length: int | None = None) -> str:
        def apply() -> str:
            return console.render(self._find(uuid), length)

        return await self._run("console_output", uuid, apply, pretend=str)

    async def pause(self, uuid: str, generation: int) -> None:
        await self._power("pause", uuid, generation)

    async def unpause(self, uuid: str, generation: int) -> None:
        await self._power("unpause", uuid, generation)

    async def suspend(self, uuid: str, generation: int) -> None:
        await self._power("suspend", uuid, generation)

    async def resume(self, uuid: str, generation: int) -> None:
        await self._power("resume", uuid, generation)

    async def set_admin_password(self, uuid: str, generation: int, password: str) -> None:  # noqa: ARG002 - a simulated guest keeps no secret
        await self._power("set_admin_password", uuid, generation)

    async def inject_nmi(self, uuid: str, generation: int) -> None:
        await self._power("inject_nmi", uuid, generation)

    async def rescue(
        self,
        uuid: str,
        generation: int,
        image_id: str | None = None,
        provision: Provision = NOTHING,
    ) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            if guest.rescue_image is None:
                image = image_id or guest.spec.image_id or "default"
                password = provision.secrets.admin_password is not None
                self._boot(replace(guest, rescue_image=image, rescue_password=password))

        await self._run("rescue", uuid, apply, pretend=_nothing)

    async def unrescue(self, uuid: str, generation: int) -> None:
        def apply() -> None:
            guest = self._usable(uuid, generation)
            if guest.rescue_image is not None:
                self._boot(replace(guest, rescue_image=None, rescue_password=False))

        await self._run("unrescue", uuid, apply, pretend=_nothing)

    async def snapshot(self, uuid: str, generation: int) -> AsyncIterator[bytes]:
        """A small image: a line that says whose it is, then zeros."""

        def apply() -> bytes:
            guest = self._usable(uuid, generation)
            title = f"muster-simulated-image {guest.uuid} {guest.generation}\n"
            return title.encode().ljust(SNAPSHOT_CHUNK_BYTES, b"\0")

        yield await self._run("snapshot", uuid, apply, pretend=bytes)
        for _ in range(SNAPSHOT_CHUNKS - 1):
            yield bytes(SNAPSHOT_CHUNK_BYTES)

    # Moving

    async def prepare_destination(self, spec: GuestSpec) -> None:
        def apply() -> None:
            self._refuse_own_source(spec)
            self._reserve(spec)

        await self._run("prepare_destination", spec.uuid, apply, pretend=_nothing)

    async def finish_migration(
        self,
        spec: GuestSpec,
        power_state: PowerState = PowerState.RUNNING,
        held: bool = True,
        provision: Provision = NOTHING,
    ) -> GuestInfo:
        self._refuse_own_source(spec)
        state = PowerState(power_state)
        return await self._make("finish_migration", spec, state, "migrated", provision, held=held)

    async def revert_migration(
        self,
        uuid: str,
        generation: int,
        new_generation: int,
        power_on: bool = True,
        held: bool = True,
        *,
        volumes: list[VolumeDevice] | None = None,
    ) -> None:
        as_of = self._execution.holds

        def apply() -> None:
            guest = self._guests.get(uuid)
            if guest and guest.generation == new_generation and guest.phase is Phase.READY:
                if not held:
                    self._execution.release(guest, as_of)
                return
            guest = self._present(uuid, generation, Phase.MIGRATED_OUT)
            self._hold_or_release(guest, as_of, held=held)
            spec = guest.spec.model_copy(update={"generation": new_generation})
            guest = replace(guest, spec=spec, phase=Phase.READY)
            if volumes is not None:
                guest = with_volumes(guest, volumes)
            if power_on:
                self._boot(guest)
            else:
                self._settle(guest, "shutdown")

        if new_generation < generation:
            raise InvalidInput(f"new_generation {new_generation} is below {generation}")
        await self._run("revert_migration", uuid, apply, pretend=_nothing)

    # What several verbs share

    async def _power(
        self,
        verb: str,
        uuid: str,
        generation: int,
        *,
        change: str | None = None,
        longest_s: float | None = None,
        volumes: list[VolumeDevice] | None = None,
    ) -> None:
        name = change or verb

        def apply() -> None:
            left = (Phase.MIGRATED_OUT,) if POWER_CHANGES[name].revives else ()
            guest = self._usable(uuid, generation, Phase.READY, *left)
            if volumes is not None:
                guest = with_volumes(guest, volumes)
            self._change_power(replace(guest, phase=Phase.READY), name)

        await self._run(
            verb,
            uuid,
            apply,
            pretend=_nothing,
            wait=lambda extra_s: self._take_time(verb, extra_s, longest_s=longest_s),
        )

    async def _make(
        self,
        verb: str,
        spec: GuestSpec,
        power_state: PowerState,
        console_text: str,
        provision: Provision,
        *,
        held: bool,
    ) -> GuestInfo:
        as_of = self._execution.holds

        def apply() -> GuestInfo:
            if spec.uuid not in self._guests:
                raise StaleGeneration(f"guest {spec.uuid} was destroyed meanwhile")
            guest = self._present(spec.uuid, spec.generation, Phase.BUILDING, Phase.READY)
            if guest.phase is Phase.BUILDING:
                self._hold_or_release(guest, as_of, held=held)
                off = power_state is PowerState.SHUTDOWN
                self._drives.put(spec.uuid, provision.config_drive)
                # Prepared long before perhaps: what it is to be is what is said now.
                given = provisioned(replace(guest, spec=spec), provision)
                ready = replace(given, phase=Phase.READY, power_state=power_state)
                self._settle(ready, "shutdown" if off else console_text)
            elif not held:
                self._execution.release(guest, as_of)
            return self._info(self._find(spec.uuid, spec.generation))

        def pretend() -> GuestInfo:
            since = self._clock.utcnow()
            return GuestInfo(spec.uuid, spec.generation, spec.name, power_state, since, Phase.READY)

        return await self._run(
            verb, spec.uuid, apply, pretend=pretend, reserve=lambda: self._reserve(spec)
        )

    def _refuse_own_source(self, spec: GuestSpec) -> None:
        """There is one guest per server on a host: arriving here would overwrite the one to move
        and leave nothing to revert to."""
        guest = self._guests.get(spec.uuid)
        if guest is not None and guest.generation < spec.generation:
            raise Conflict(f"guest {spec.uuid} is on host {self.host} already")

    def _reserve(self, spec: GuestSpec) -> None:
        """Have a guest of this generation here, half made if it is new."""
        check_uuid(spec.uuid)
        guest = self._guests.get(spec.uuid)
        destroyed = self._store.destroyed_generation(spec.uuid)
        if spec.generation <= destroyed or (guest and spec.generation < guest.generation):
            raise StaleGeneration(
                f"generation {spec.generation} of {spec.uuid} is over on host {self.host}"
            )
        if guest is None or guest.generation < spec.generation:
            made = Guest(spec, Phase.BUILDING, PowerState.PENDING, self._execution.now())
            self._store.save(made)
            self._execution.update(made, "replaced")
            self._consoles.end(spec.uuid)

    def _hold_or_release(self, guest: Guest, as_of: int, *, held: bool) -> None:
        """For one that does not want to run yet and is about to be made: whether it may then."""
        if held:
            self._execution.hold(guest, MADE)
        else:
            self._execution.release(guest, as_of)

    def _boot(self, guest: Guest) -> None:
        self._settle(replace(guest, power_state=PowerState.RUNNING), "boot")


def _nothing() -> None:
    """What a verb without a result pretends to return."""

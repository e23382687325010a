"""Network interfaces of a simulated guest that come and go.

Owns: the two verbs; the interfaces themselves are part of the guest's stored description.
May not: know ports beyond what it is told. Crash story: one write per verb (`store.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from common.messages.compute import NetworkInterface
from services.compute.drivers.simulated.host import SimulatedHost


class InterfaceVerbs(SimulatedHost):
    """`Interfaces` of drivers/optional.py."""

    async def attach_interface(
        self, uuid: str, generation: int, interface: NetworkInterface
    ) -> None:
        def apply() -> None:
            present = self._usable(uuid, generation).spec.interfaces
            if interface.port_id in {each.port_id for each in present}:
                wanted = [interface if e.port_id == interface.port_id else e for e in present]
            else:
                wanted = [*present, interface]
            self._have_interfaces(uuid, generation, wanted)

        await self._run("attach_interface", uuid, apply, pretend=lambda: None)

    async def detach_interface(self, uuid: str, generation: int, port_id: str) -> None:
        def apply() -> None:
            present = self._usable(uuid, generation).spec.interfaces
            wanted = [each for each in present if each.port_id != port_id]
            self._have_interfaces(uuid, generation, wanted)

        await self._run("detach_interface", uuid, apply, pretend=lambda: None)

    def _have_interfaces(
        self, uuid: str, generation: int, wanted: Sequence[NetworkInterface]
    ) -> None:
        guest = self._usable(uuid, generation)
        if list(wanted) != guest.spec.interfaces:
            spec = guest.spec.model_copy(update={"interfaces": list(wanted)})
            self._settle(replace(guest, spec=spec), "interface")

"""Volumes and interfaces that come to the servers of a run and go again.

Owns: asking for each, and seeing by the APIs what became of it.
May not: judge. Crash story: the volumes stay, known to the testbed, so that it can be judged that
nobody else has deleted them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from deploy.chaos.retrying_client import RetryingClient
from deploy.chaos.testbed import Testbed
from deploy.load.client import Answer, Unreachable

LOOK_S = 0.1
PATIENCE_S = 20.0
"""Then it counts as not done; whether it has ended is judged when everything is at rest."""
NO_ANSWER = Answer(504, None, 0.0)
_VOLUMES = "block-storage"
_AT_REST = ("available", "in-use")

Server = dict[str, Any]


def from_volume(body: dict[str, Any]) -> dict[str, Any]:
    """The same server with its root on a volume that is made of the image and ends with it."""
    disk = {
        "source_type": "image",
        "uuid": body["imageRef"],
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": 0,
        "delete_on_termination": True,
    }
    return {**body, "imageRef": "", "block_device_mapping_v2": [disk]}


class Devices:
    """What a run attaches and detaches; what is detached is what was attached last."""

    def __init__(self, testbed: Testbed, retrying: RetryingClient) -> None:
        self._testbed = testbed
        self._client = testbed.client
        self._retrying = retrying
        self._volumes: dict[str, str] = {}
        self._ports: dict[str, str] = {}
        self.network = ""
        """Of new interfaces."""

    async def ask(self, server: Server, kind: str) -> Answer:
        """The last answer to the request."""
        return await KINDS[kind][0](self, server["id"])

    async def ended(self, server: Server, kind: str) -> bool:
        """Whether it was done, once that is known."""
        clock = self._testbed.clock
        until = clock.monotonic() + PATIENCE_S
        while (done := await KINDS[kind][1](self, server["id"])) is None:
            if clock.monotonic() > until:
                return False
            await clock.sleep(LOOK_S)
        return done

    # Volumes

    async def attach_volume(self, uuid: str) -> Answer:
        self._volumes[uuid] = volume = await self._bring_volume()
        body = {"volumeAttachment": {"volumeId": volume}}
        return await self._retrying.ask("POST", f"/servers/{uuid}/os-volume_attachments", body)

    async def _bring_volume(self) -> str:
        """A new one that is available. After a lost answer there is one more, of nobody."""
        asked = {"volume": {"size": 1, "name": "brought"}}
        made = await self._retrying.ask("POST", "/volumes", asked, service=_VOLUMES)
        volume = str(made.body["volume"]["id"])
        self._testbed.brought.add(volume)
        while await self._status(volume) != "available":
            await self._testbed.clock.sleep(LOOK_S)
        return volume

    async def detach_volume(self, uuid: str) -> Answer:
        path = f"/servers/{uuid}/os-volume_attachments/{self._volumes[uuid]}"
        return await self._retrying.ask("DELETE", path)

    async def volume_attached(self, uuid: str) -> bool | None:
        status = await self._status(self._volumes[uuid])
        return status == "in-use" if status in _AT_REST else None

    async def volume_detached(self, uuid: str) -> bool | None:
        attached = await self.volume_attached(uuid)
        return None if attached is None else not attached

    async def _status(self, volume: str) -> str:
        found = await self._retrying.ask("GET", f"/volumes/{volume}", service=_VOLUMES)
        return str(found.body["volume"]["status"]) if found.status == 200 else "gone"

    # Interfaces

    async def attach_interface(self, uuid: str) -> Answer:
        """Asked once, because each request means another one. The answer says that it is there."""
        body = {"interfaceAttachment": {"net_id": self.network}}
        try:
            answer = await self._client.request("POST", f"/servers/{uuid}/os-interface", body)
        except Unreachable:
            return NO_ANSWER
        if answer.status == 200:
            self._ports[uuid] = answer.body["interfaceAttachment"]["port_id"]
        return answer

    async def detach_interface(self, uuid: str) -> Answer:
        return await self._retrying.ask(
            "DELETE", f"/servers/{uuid}/os-interface/{self._ports[uuid]}"
        )

    async def interface_attached(self, uuid: str) -> bool | None:
        return uuid in self._ports

    async def interface_detached(self, uuid: str) -> bool | None:
        answer = await self._retrying.ask("GET", f"/servers/{uuid}/os-interface")
        shown = (answer.body or {}).get("interfaceAttachments", ())
        return None if any(each["port_id"] == self._ports[uuid] for each in shown) else True


_Ask = Callable[[Devices, str], Awaitable[Answer]]
_Look = Callable[[Devices, str], Awaitable[bool | None]]

KINDS: Mapping[str, tuple[_Ask, _Look]] = {
    "attach-volume": (Devices.attach_volume, Devices.volume_attached),
    "detach-volume": (Devices.detach_volume, Devices.volume_detached),
    "attach-interface": (Devices.attach_interface, Devices.interface_attached),
    "detach-interface": (Devices.detach_interface, Devices.interface_detached),
}
"""How each is asked for, and how it is seen whether it was done; None: not yet."""

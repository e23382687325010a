"""What the network service has said about servers' ports, passed on to conductors.

Crash story: `PortsChanged` waits in the conductors' queue until one has looked; without it the
next round of all servers finds the same. `VifPlugged` is an event for whoever waits for it now;
who misses it looks at the port.
"""

from __future__ import annotations

from typing import ClassVar

from common.messages.base import Message


class PortsChanged(Message):
    """To the conductor queue: what these servers show of their ports may be out of date."""

    TYPE: ClassVar[str] = "network.ports_changed"
    servers: list[str]


class VifPlugged(Message):
    """Event on topic `network.vif_plugged`: the port carries traffic on its host, or cannot."""

    TYPE: ClassVar[str] = "network.vif_plugged"
    server_uuid: str
    port_id: str
    failed: bool = False


VIF_PLUGGED_TOPIC = "network.vif_plugged"

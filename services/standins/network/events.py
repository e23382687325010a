"""What compute is told about its servers' ports.

Owns: which change of a port is an event. May not: send it; services/standins/events.py does.

What a caller with the `service` role does is not told: that is compute itself, which knows.

Crash story: see services/standins/events.py.
"""

from __future__ import annotations

from services.standins import events
from services.standins.store import Doc
from services.standins.web import Caller

CHANGED = "network-changed"
DELETED = "network-vif-deleted"


class Events:
    def __init__(self, sender: events.Events) -> None:
        self._sender = sender

    def tell(self, caller: Caller, port: Doc | None, name: str = CHANGED) -> None:
        """Note an event for the server that uses `port`, if one does."""
        if port is None or "service" in caller.roles:
            return
        if not port["device_owner"].startswith("compute:") or not port["device_id"]:
            return
        self._sender.add(name, port["device_id"], port["id"])

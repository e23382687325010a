"""What compute is told about its servers' ports.

Owns: which change of a port is an event. May not: send it; services/standins/events.py does.

What a caller with the `service` role does is not told: that is compute itself, which knows. What
happens later, when nobody calls, is.

Crash story: see services/standins/events.py.
"""

from __future__ import annotations

from services.standins import events
from services.standins.store import Doc
from services.standins.web import Caller

CHANGED = "network-changed"
DELETED = "network-vif-deleted"
PLUGGED = "network-vif-plugged"
UNPLUGGED = "network-vif-unplugged"


class Events:
    def __init__(self, sender: events.Events) -> None:
        self._sender = sender

    def tell(self, caller: Caller, port: Doc | None, name: str = CHANGED) -> None:
        """Note an event for the server that uses `port`, if one does."""
        if port is not None and "service" not in caller.roles and _is_of_server(port):
            self._sender.add(name, port["device_id"], port["id"])

    def tell_later(self, delay_s: float, port: Doc, name: str) -> None:
        """The same of what nobody does."""
        if _is_of_server(port):
            self._sender.add_later(delay_s, name, port["device_id"], port["id"])


def _is_of_server(port: Doc) -> bool:
    return port["device_owner"].startswith("compute:") and bool(port["device_id"])

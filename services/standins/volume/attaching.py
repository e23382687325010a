"""When a volume may be attached, and what its status is then.

Owns: the rules, as pure functions over the volume and its attachments. May not: change a document.
Crash story: none.

An attachment is `reserved` (compute has asked), `attaching` (a host is connecting) or `attached`
(the host has it). The volume shows the furthest of its attachments. Several attachments are for
volumes that allow it, and for one server that is on its way from one host to another.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.standins.store import Doc
from services.standins.web import Fault

RESERVED, ATTACHING, ATTACHED = "reserved", "attaching", "attached"
AVAILABLE, IN_USE, DETACHING = "available", "in-use", "detaching"

SHOWN = {ATTACHED: IN_USE, ATTACHING: ATTACHING, RESERVED: RESERVED}
"""Status of a volume by its furthest attachment, furthest first."""
OF_ATTACHING = frozenset({AVAILABLE, RESERVED, ATTACHING, IN_USE, DETACHING})
"""Statuses that follow the attachments; the others (error, maintenance ...) are an operator's."""


def status_by(attachments: Sequence[Doc]) -> str:
    present = {attachment["status"] for attachment in attachments}
    return next((shown for status, shown in SHOWN.items() if status in present), AVAILABLE)


def check_may_reserve(volume: Doc, attachments: Sequence[Doc], server_id: str | None) -> None:
    """Fault 400 unless one more attachment, to this server, is allowed now."""
    allowed = {AVAILABLE, IN_USE} if volume["multiattach"] else {AVAILABLE}
    if volume["status"] in allowed:
        return
    # A server that moves has two for a while, whatever the volume's status.
    if server_id is not None and attachments:
        servers = {attachment["instance"] for attachment in attachments}
        if servers == {server_id} or (volume["multiattach"] and server_id in servers):
            return
    raise Fault(
        400,
        f"Invalid volume: Volume {volume['id']} status must be {' or '.join(sorted(allowed))} to"
        f" reserve, but the current status is {volume['status']}.",
    )

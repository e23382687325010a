"""What a user is told about the host of a server.

Owns: `host_status` as a pure function of four facts. May not: read them; callers do, in one query
with the server, so that the answer is as fresh as the request. Crash story: none.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class HostStatus(StrEnum):
    NONE = ""  # the server has no host
    UP = "UP"  # the host reports
    UNKNOWN = "UNKNOWN"  # it has stopped reporting, nobody has said why
    DOWN = "DOWN"  # an operator has declared it down
    MAINTENANCE = "MAINTENANCE"  # it is disabled


Precedence = Literal["documented", "nova"]


def host_status(
    *, has_service: bool, fresh: bool, forced_down: bool, disabled: bool, precedence: Precedence
) -> HostStatus:
    """The status of a server's host.

    `has_service`: the server has a host and that host has a compute service record.
    `fresh`: its lease of heartbeats has not run out.
    The documented order is UP, UNKNOWN, DOWN, MAINTENANCE, a later one overriding an earlier one;
    `nova` lets forced_down win over disabled, as Nova's code does.
    """
    if not has_service:
        return HostStatus.NONE
    if precedence == "nova" and forced_down:
        return HostStatus.DOWN
    if disabled:
        return HostStatus.MAINTENANCE
    if forced_down:
        return HostStatus.DOWN
    return HostStatus.UP if fresh else HostStatus.UNKNOWN

"""What a create request says of networks: forms that contradict themselves are refused.

Owns: reading `networks` and `security_groups`. May not: do I/O. Crash story: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from common.errors import InvalidInput
from services.api.identifiers import parse_uuid

DEFAULT_GROUP = "default"
AUTO: Literal["auto"] = "auto"
NONE: Literal["none"] = "none"


@dataclass(frozen=True)
class AskedNetwork:
    """A network to make a port in, or a port to take."""

    network_id: str | None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


AskedNetworks = tuple[AskedNetwork, ...] | Literal["auto", "none"] | None
"""None: whatever the project has."""


def networks(asked: Any, *, count: int) -> AskedNetworks:
    """The body's `networks` for `count` servers; None when it is absent or empty."""
    if asked in {AUTO, NONE} if isinstance(asked, str) else not asked:
        return asked or None
    wanted = tuple(_network(each) for each in asked)
    _check_count(wanted, count)
    return wanted


def _network(asked: dict[str, Any]) -> AskedNetwork:
    port_id, uuid, fixed_ip = asked.get("port"), asked.get("uuid"), asked.get("fixed_ip")
    tag = asked.get("tag") or None
    if port_id:
        if fixed_ip:
            raise InvalidInput(
                f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{port_id}': "
                "the two cannot be specified together."
            )
        return AskedNetwork(None, port_id, tag=tag)
    if uuid is None:
        raise InvalidInput("Bad network format: missing 'uuid'")
    parsed = parse_uuid(uuid)
    if parsed is None:
        raise InvalidInput(f"Bad networks format: network uuid is not in proper format ({uuid})")
    return AskedNetwork(str(parsed), fixed_ip=fixed_ip or None, tag=tag)


def _check_count(wanted: tuple[AskedNetwork, ...], count: int) -> None:
    ports = [each.port_id for each in wanted if each.port_id]
    if len(set(ports)) < len(ports):
        raise InvalidInput("A port may be named once in networks.")
    if count == 1:
        return
    if ports:
        raise InvalidInput(
            "Unable to launch multiple instances with a single configured port ID. "
            "Please launch your instance one by one with different ports."
        )
    if any(each.fixed_ip for each in wanted):
        raise InvalidInput(
            "Failed to launch instances: "
            "max_count cannot be greater than 1 if an fixed_ip is specified."
        )


def group_names(asked: list[dict[str, Any]] | None) -> tuple[str, ...]:
    """Names or ids in order, each once; the project's default group when none is asked for."""
    names = dict.fromkeys(group["name"] for group in asked or () if group.get("name"))
    return tuple(names) or (DEFAULT_GROUP,)

"""GET /servers and /servers/detail: who may filter by what, and what it means.

Owns: from query parameters to `Criteria`, and the link to the next page.
May not: write SQL. Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from common.db.stores import server_lists as store
from common.db.stores.server_lists import Criteria, Lifetime, Order
from common.db.stores.servers import PlacedServer
from common.domain.states import VmState, states_of_status
from common.errors import Forbidden, InvalidInput
from services.api import versions
from services.api.identifiers import parse_uuid
from services.api.paging import limit_of, unknown_marker
from services.api.periods import changed
from services.api.request import Request
from services.api.schemas.servers_query import IGNORED_SORT_KEYS, SORT_KEYS

T = TypeVar("T")
_ALL_FILTERS = "os_compute_api:servers:allow_all_filters"

FOR_EVERYBODY: dict[str, int] = {
    **dict.fromkeys(
        ("reservation_id", "name", "status", "image", "flavor", "ip", "changes-since",
         "all_tenants", "limit", "marker", "sort_key", "sort_dir"), versions.MIN,
    ),
    "ip6": versions.IP6_FILTER_FOR_ALL,
    **dict.fromkeys(("tags", "tags-any", "not-tags", "not-tags-any"), versions.SERVER_TAGS),
    "changes-before": versions.CHANGES_BEFORE,
    "locked": versions.LOCKED_FILTER,
    **dict.fromkeys(
        ("availability_zone", "config_drive", "key_name", "created_at", "launched_at",
         "terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id"),
        versions.SERVER_FILTERS_FOR_ALL,
    ),
    "hostname": versions.HOSTNAME,
}  # fmt: skip
"""Parameters that need no policy, and since when; others are dropped for ordinary users."""

_EXACT = {
    "user_id": "user_id", "image": "image_ref", "image_ref": "image_ref", "flavor": "flavorid",
    "vm_state": "vm_state", "task_state": "task_state", "host": "host",
}  # fmt: skip
_ALIASES = {"display_name": "name", "display_description": "description"}
_JOINED = (
    "block_device_mapping", "services", "metadata", "system_metadata", "info_cache",
    "security_groups", "pci_devices",
)  # fmt: skip
"""Names that are accepted and can never be filtered by."""
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})


@dataclass
class Page:
    """What one request gets to see."""

    limit: int
    summaries: list[tuple[UUID, str]] = field(default_factory=list)
    servers: list[PlacedServer] = field(default_factory=list)

    def links(self, request: Request, *path: str) -> dict[str, Any]:
        """`servers_links` when there may be more."""
        ids = [uuid for uuid, _ in self.summaries] or [p.server.uuid for p in self.servers]
        if not ids or len(ids) < self.limit:
            return {}
        return {"servers_links": request.links.next(str(ids[-1]), *path)}


async def page(request: Request, all_tenants_rule: str) -> Page:
    """Ids and names."""
    limit = limit_of(request)
    criteria = _criteria(request, all_tenants_rule, limit)
    if criteria is None:
        return Page(limit)
    found = await _found(request, store.servers_index(request.app.pool, criteria))
    return Page(limit, summaries=found)


async def detailed_page(request: Request, all_tenants_rule: str) -> Page:
    limit = limit_of(request)
    criteria = _criteria(request, all_tenants_rule, limit)
    if criteria is None:
        return Page(limit)
    found = await _found(request, store.servers_detail(request.app.pool, criteria))
    return Page(limit, servers=found)


async def _found(request: Request, asking: Awaitable[list[T]]) -> list[T]:
    """Raises `InvalidInput` with the marker as it was given."""
    try:
        return await asking
    except store.UnknownMarker as error:
        raise unknown_marker(request.q("marker")) from error


def _criteria(request: Request, all_tenants_rule: str, limit: int) -> Criteria | None:
    """None: nothing can match. Raises `InvalidInput` or `Forbidden`."""
    given = _usable(request)
    default = request.app.settings.api.default_availability_zone
    criteria = Criteria(limit, order=_order(request), default_zone=default)
    _only_own_projects(request, given, all_tenants_rule, criteria)
    for name, value in given.items():
        if name in _EXACT:
            criteria.exact[_EXACT[name]] = value
        elif (column := _ALIASES.get(name, name)) in store.MATCHING:
            criteria.matching[column] = value
        elif name in {"ip", "ip6"}:
            criteria.addresses[4 if name == "ip" else 6] = value
        elif name in {"tags", "tags-any", "not-tags", "not-tags-any"}:
            criteria.tags[name] = value.split(",")
        elif name in _JOINED or name.startswith("_"):
            raise InvalidInput(f"Servers cannot be filtered by '{name}'.")
    if "locked" in given and request.v >= versions.LOCKED_FILTER:
        criteria.locked = _strict_boolean("locked", given["locked"])
    period = changed(request)
    criteria.changed_since, criteria.changed_before = period.since, period.before
    if not (_by_status(request, criteria) and _by_uuid(given, criteria) and limit):
        return None
    criteria.lifetime = _lifetime(request, given, criteria)
    if (marker := request.q("marker")) is not None:
        criteria.marker = parse_uuid(marker)
        if criteria.marker is None:
            raise unknown_marker(marker)
    return criteria


def _usable(request: Request) -> dict[str, Any]:
    """Parameters with their last values, without those the caller may not use."""
    everything = request.can(_ALL_FILTERS)
    return {
        name: values[-1]
        for name, values in request.query.items()
        if everything or FOR_EVERYBODY.get(name, versions.NEVER) <= request.v
    }


def _only_own_projects(
    request: Request, given: dict[str, Any], all_tenants_rule: str, criteria: Criteria
) -> None:
    if not _all_tenants(given):
        criteria.exact["project_id"] = request.ctx.project_id
        return
    request.require(all_tenants_rule)
    project_id = given.get("tenant_id") or given.get("project_id")
    if project_id:
        criteria.exact["project_id"] = project_id


def _all_tenants(given: dict[str, Any]) -> bool:
    value = given.get("all_tenants")
    return value is not None and (value == "" or _strict_boolean("all_tenants", value))


def _strict_boolean(name: str, value: str) -> bool:
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        acceptable = ", ".join(f"'{each}'" for each in sorted(_TRUE | _FALSE))
        raise InvalidInput(
            f"Invalid input for query parameters {name}. Value: {value}. "
            f"Unrecognized value '{value}', acceptable values are: {acceptable}"
        )
    return word in _TRUE


def _by_status(request: Request, criteria: Criteria) -> bool:
    """False: no server can have such a status."""
    wanted = request.qs("status")
    if not wanted:
        return True
    vm_states: set[str] = set()
    task_states: set[str] = set()
    any_task = False
    for status in wanted:
        of_vm, of_task = states_of_status(status)
        vm_states |= of_vm
        task_states |= of_task
        any_task |= bool(of_vm) and not of_task
    if not vm_states:
        if request.v >= versions.UNKNOWN_STATUS_REFUSED:
            raise InvalidInput(f"Invalid status value: {', '.join(wanted)}")
        return False
    if vm_states == {VmState.DELETED} and not request.can(_ALL_FILTERS):
        raise Forbidden("Only administrators may list deleted instances")
    criteria.exact.pop("vm_state", None)
    criteria.vm_states = vm_states
    if not any_task:
        criteria.task_states = task_states
    return True


def _by_uuid(given: dict[str, Any], criteria: Criteria) -> bool:
    if "uuid" in given:
        criteria.exact["uuid"] = parse_uuid(given["uuid"])
        return criteria.exact["uuid"] is not None
    return True


def _lifetime(request: Request, given: dict[str, Any], criteria: Criteria) -> Lifetime:
    """Whether deleted servers count; a bad text is false."""
    wanted = set(criteria.vm_states or [criteria.exact.get("vm_state", "")])
    if wanted == {VmState.DELETED} and request.can(_ALL_FILTERS):
        return Lifetime.DELETED
    soft = given.get("soft_deleted")
    with_soft = soft is not None and soft.strip().lower() in _TRUE
    if "deleted" in given:
        if given["deleted"].strip().lower() in _TRUE:
            only = soft is not None and not with_soft
            return Lifetime.DELETED if only else Lifetime.DELETED_OR_SOFT_DELETED
    elif criteria.changed_since or criteria.changed_before:
        return Lifetime.ALL
    if with_soft or VmState.SOFT_DELETED in wanted:
        return Lifetime.LIVE_OR_SOFT_DELETED
    return Lifetime.LIVE


def _order(request: Request) -> list[Order]:
    """The keys asked for, then created_at, then the id, which no two servers share."""
    keys, directions = request.qs("sort_key"), request.qs("sort_dir")
    for direction in directions:
        if direction not in {"asc", "desc"}:
            raise InvalidInput(f"Unknown sort direction '{direction}', must be one of: asc, desc")
    missing = directions[0] if directions else "desc"
    orders: list[Order] = []
    for n, key in enumerate(keys):
        direction = directions[n] if n < len(directions) else missing
        locked = key == "locked" and request.v >= versions.LOCKED_FILTER
        if key in IGNORED_SORT_KEYS and not locked:
            continue
        if key in {"host", "node"} and not request.can(_ALL_FILTERS):
            raise Forbidden("Policy doesn't allow sorting by host or node to be performed.")
        if (key in SORT_KEYS or locked) and key not in {o.key for o in orders}:
            orders.append(Order(key, direction == "desc"))
    present = {order.key for order in orders}
    if "created_at" not in present:
        orders.append(Order("created_at", missing == "desc"))
    if "uuid" not in present:
        orders.append(Order("uuid", descending=False))
    return orders

"""Lists of servers: filters, order and pages put together into one statement.

Owns: which column a filter or sort key means. Values are always parameters; only names from the
tables below become part of a statement.
May not: decide who may use which filter; `services/api/servers/listing.py` does.
Crash story: reads only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

from common.db.patterns import bounded
from common.db.pool import Pool, Record
from common.db.stores.servers import PlacedServer
from common.errors import InvalidInput

_TIME_FORM = "'YYYY-MM-DD HH24:MI:SS'"

_ZONE = (
    "case when s.host is null then s.availability_zone else"
    " (select n.availability_zone from compute_nodes n where n.host = s.host) end"
)
"""As it is shown, but null where the host has no zone of its own."""

EXACT = {
    "project_id": "s.project_id",
    "user_id": "s.user_id",
    "image_ref": "s.image_ref",
    "flavorid": "s.flavorid",
    "vm_state": "s.vm_state",
    "task_state": "s.task_state",
    "uuid": "s.uuid",
    "host": "s.host",
}
"""Filters that compare whole values."""

MATCHING = {
    **{
        name: f"s.{name}"
        for name in (
            "name", "hostname", "key_name", "reservation_id", "description", "node", "kernel_id",
            "ramdisk_id", "root_device_name", "config_drive", "access_ip_v4", "access_ip_v6",
            "locked_by",
        )
    },
    "auto_disk_config": "s.auto_disk_config::integer::text",
    "power_state": "s.power_state::text",
    "progress": "s.progress::text",
    "launch_index": "s.launch_index::text",
    "created_at": f"to_char(s.created_at, {_TIME_FORM})",
    "launched_at": f"to_char(s.launched_at, {_TIME_FORM})",
    "terminated_at": f"to_char(s.terminated_at, {_TIME_FORM})",
    "availability_zone": _ZONE,
}  # fmt: skip
"""Filters that are regular expressions, found anywhere in the value."""

SORT = {
    **{
        name: f"s.{name}"
        for name in (
            "access_ip_v4", "access_ip_v6", "auto_disk_config", "config_drive", "created_at",
            "host", "hostname", "image_ref", "kernel_id", "key_name", "launch_index", "launched_at",
            "locked_by", "node", "power_state", "progress", "project_id",
            "ramdisk_id", "root_device_name", "task_state", "terminated_at", "updated_at",
            "user_id", "uuid", "vm_state",
        )
    },
    "availability_zone": _ZONE,
    "display_description": "s.description",
    "display_name": "s.name",
    "instance_type_id": "s.flavorid",
    "locked": "(s.locked_by is not null)",
}  # fmt: skip
"""Sort keys."""

_NEVER_NULL = frozenset(
    {
        "auto_disk_config", "config_drive", "created_at", "display_name", "hostname",
        "instance_type_id", "kernel_id", "launch_index", "locked", "power_state", "progress",
        "project_id", "ramdisk_id", "updated_at", "user_id", "uuid", "vm_state",
    }
)  # fmt: skip


class UnknownMarker(InvalidInput):
    """No server that may be listed has the marker's id."""


class Lifetime(Enum):
    """Which rows count."""

    LIVE = "s.deleted_at is null and s.vm_state <> 'soft-delete'"
    LIVE_OR_SOFT_DELETED = "s.deleted_at is null"
    DELETED = "s.deleted_at is not null"
    DELETED_OR_SOFT_DELETED = "(s.deleted_at is not null or s.vm_state = 'soft-delete')"
    ALL = "true"


@dataclass(frozen=True)
class Order:
    key: str
    descending: bool = True


DEFAULT_ORDER = (Order("created_at"), Order("uuid", descending=False))


@dataclass
class Criteria:
    """Everything a list can be asked for."""

    limit: int
    lifetime: Lifetime = Lifetime.LIVE
    exact: dict[str, Any] = field(default_factory=dict)
    """Keys of `EXACT`."""
    matching: dict[str, str] = field(default_factory=dict)
    """Keys of `MATCHING` to PostgreSQL regular expressions."""
    vm_states: Collection[str] | None = None
    task_states: Collection[str] | None = None
    locked: bool | None = None
    changed_since: dt.datetime | None = None
    changed_before: dt.datetime | None = None
    addresses: dict[int, str] = field(default_factory=dict)
    """IP version to a regular expression, matched from the start of fixed addresses."""
    tags: dict[str, list[str]] = field(default_factory=dict)
    """Keys of `_TAGS`."""
    order: Sequence[Order] = DEFAULT_ORDER
    """Ends with a key that no two servers share."""
    marker: UUID | None = None
    """The last server of the page before."""
    default_zone: str = ""
    """Of hosts that have none of their own."""


_TAGS = {
    "tags": "s.tags @> {}",
    "tags-any": "s.tags && {}",
    "not-tags": "not s.tags @> {}",
    "not-tags-any": "not s.tags && {}",
}

_ADDRESS = (
    "exists (select 1 from jsonb_array_elements(s.network_info) vif,"
    " jsonb_array_elements(vif -> 'fixed_ips') ip"
    " where (ip ->> 'version')::integer = {} and ip ->> 'address' ~ {})"
)


class _Where:
    """Conditions and their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[Any] = []

    def p(self, value: Any, cast: str = "") -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}{cast}"

    def add(self, condition: str) -> None:
        self.conditions.append(condition)

    def __str__(self) -> str:
        return " and ".join(self.conditions)


async def servers_detail(pool: Pool, criteria: Criteria) -> list[PlacedServer]:
    """The page, each server with the facts about its host as they are now."""
    where, order = await _prepared(pool, criteria)
    limit = where.p(criteria.limit)
    # Freshness is judged once per host, not once per server.
    rows = await _fetch(
        pool,
        criteria,
        f"with page as (select s.* from servers s where {where} order by {order} limit {limit}), "
        "hosts as materialized (select c.host, c.disabled, c.forced_down, is_fresh(c) as fresh, "
        "c.forced_down or c.lease_expires_at = '-infinity' as fenced "
        "from services c where c.binary_name = 'nova-compute' "
        "and c.host in (select page.host from page)) "
        "select s.*, h.host is not null as has_service, "
        "coalesce(h.disabled, false) as host_disabled, "
        "coalesce(h.forced_down, false) as host_forced_down, "
        "coalesce(h.fresh, false) as host_fresh, coalesce(h.fenced, false) as host_fenced, "
        "(select n.availability_zone from compute_nodes n where n.host = s.host) as host_zone, "
        "(select jsonb_agg(to_jsonb(d) order by d.position) from block_devices d "
        "where d.server_uuid = s.uuid) as block_devices "
        f"from page s left join hosts h on h.host = s.host order by {order}",
        where,
    )
    return [PlacedServer.from_row(row) for row in rows]


async def servers_index(pool: Pool, criteria: Criteria) -> list[tuple[UUID, str]]:
    """The page as (id, name)."""
    where, order = await _prepared(pool, criteria)
    limit = where.p(criteria.limit)
    rows = await _fetch(
        pool,
        criteria,
        f"select s.uuid, s.name from servers s where {where} order by {order} limit {limit}",
        where,
    )
    return [(row["uuid"], row["name"]) for row in rows]


async def _fetch(pool: Pool, criteria: Criteria, statement: str, where: _Where) -> list[Record]:
    if not criteria.matching and not criteria.addresses:
        return list(await pool.fetch(statement, *where.parameters))
    async with bounded(pool) as connection:
        return list(await connection.fetch(statement, *where.parameters))


async def _prepared(pool: Pool, criteria: Criteria) -> tuple[_Where, str]:
    where = _where(criteria)
    if criteria.marker is not None:
        where.add(_after(where, criteria, await _marker(pool, criteria)))
    return where, ", ".join(map(_order, criteria.order))


def _where(criteria: Criteria) -> _Where:
    where = _Where()
    where.add(criteria.lifetime.value)
    for name, value in criteria.exact.items():
        where.add(f"{EXACT[name]} = {where.p(value)}")
    for name, pattern in criteria.matching.items():
        value = MATCHING[name]
        if name == "availability_zone":
            default = where.p(criteria.default_zone, "::text")
            value = f"coalesce({value}, case when s.host is not null then {default} end)"
        where.add(f"{value} ~ {where.p(pattern)}")
    for column, states in (("vm_state", criteria.vm_states), ("task_state", criteria.task_states)):
        if states is not None:
            where.add(f"s.{column} = any({where.p(list(states), '::text[]')})")
    if criteria.locked is not None:
        where.add(f"(s.locked_by is not null) = {where.p(criteria.locked)}")
    if criteria.changed_since is not None:
        where.add(f"s.updated_at >= {where.p(criteria.changed_since)}")
    if criteria.changed_before is not None:
        where.add(f"s.updated_at <= {where.p(criteria.changed_before)}")
    for version, pattern in criteria.addresses.items():
        where.add(_ADDRESS.format(where.p(version), where.p(f"^(?:{pattern})")))
    for name, tags in criteria.tags.items():
        where.add(_TAGS[name].format(where.p(tags, "::text[]")))
    return where


def _order(order: Order) -> str:
    """As MySQL orders: null is less than everything."""
    nulls = "" if order.key in _NEVER_NULL else f" nulls {'last' if order.descending else 'first'}"
    return f"{SORT[order.key]} {'desc' if order.descending else 'asc'}{nulls}"


async def _marker(pool: Pool, criteria: Criteria) -> Mapping[str, Any]:
    """What the marker's server has in the columns of the order."""
    columns = ", ".join(f"({SORT[o.key]}) as {o.key}" for o in criteria.order)
    row = await pool.fetchrow(
        f"select {columns} from servers s "
        "where s.uuid = $1 and ($2::text is null or s.project_id = $2)",
        criteria.marker,
        criteria.exact.get("project_id"),
    )
    if row is None:
        raise UnknownMarker(f"marker [{criteria.marker}] not found")
    return dict(row)


def _after(where: _Where, criteria: Criteria, marker: Mapping[str, Any]) -> str:
    """Rows that come after the marker: later in one key and equal in all before it."""
    alternatives, equal = [], ""
    for order in criteria.order:
        column, value = f"({SORT[order.key]})", marker[order.key]
        if value is None:
            later = "false" if order.descending else f"{column} is not null"
            same = f"{column} is null"
        else:
            parameter = where.p(value)
            later = f"{column} {'<' if order.descending else '>'} {parameter}"
            if order.descending and order.key not in _NEVER_NULL:
                later = f"({later} or {column} is null)"
            same = f"{column} = {parameter}"
        alternatives.append(f"({equal}{later})")
        equal += f"{same} and "
    first = criteria.order[0]
    bound = ""
    if first.key in _NEVER_NULL:  # tells the planner where to start in the index
        sign = "<=" if first.descending else ">="
        bound = f"{SORT[first.key]} {sign} {where.p(marker[first.key])} and "
    return f"{bound}({' or '.join(alternatives)})"

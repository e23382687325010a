"""What projects and their users may have, and how much of it they have.

Owns: table `quota_projects`. Usage is never stored: it is counted from `servers` while the
project's row is locked, so there is nothing that could drift. A project's limits count for all its
servers; limits of one user, where there are some, besides for the servers of that user.
May not: decide whether a request fits; callers do, under `lock`.
Crash story: a lock ends with its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from common.config.settings import QuotaSettings
from common.db.loader import load

_sql = load("limits")

UNLIMITED = -1
_CLASS = "class:"
"""Limits of classes share the table; no project id contains a colon."""
CLASS_ROW = f"{_CLASS}default"
"""The only class that counts."""
_USERS = "users"
"""Key below which a project's row keeps the limits of single users."""

Limits = dict[str, int]
"""Resource name as the API calls it (instances, cores, ram, key_pairs, ...) to limit."""

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    from common.db.pool import Record

    InTransaction: TypeAlias = asyncpg.Connection[Record] | PoolConnectionProxy[Record]
    Executor: TypeAlias = asyncpg.Pool[Record] | InTransaction


@dataclass(frozen=True)
class Usage:
    """What a project has now; ram in MiB."""

    instances: int
    cores: int
    ram: int
    server_groups: int = 0


@dataclass(frozen=True)
class Caps:
    """What must hold when one user of a project wants more: both at the same time."""

    project: Limits
    """For what the project has."""
    user: Limits
    """For what the user has; only what was set for this user."""

    def __getitem__(self, name: str) -> int:
        """The lower of both."""
        return _lower(self.project[name], self.user.get(name, UNLIMITED))


@dataclass(frozen=True)
class ProjectLimits:
    """Effective limits of a project, and what was set for it or its users."""

    effective: Limits
    own: Limits = field(default_factory=dict)
    users: dict[str, Limits] = field(default_factory=dict)

    def caps(self, user_id: str) -> Caps:
        return Caps(self.effective, self.users.get(user_id, {}))

    def of_user(self, user_id: str | None) -> Limits:
        """The effective limits of one user of the project, which are never above the project's;
        None: of the project."""
        own = self.users.get(user_id or "", {})
        lower = {k: _lower(v, self.effective.get(k, UNLIMITED)) for k, v in own.items()}
        return {**self.effective, **lower}


def _lower(one: int, other: int) -> int:
    return max(one, other) if UNLIMITED in {one, other} else min(one, other)


def defaults(settings: QuotaSettings) -> Limits:
    """The configured limits under their API names."""
    values = settings.model_dump()
    values["ram"] = values.pop("ram_mib")
    return values


async def limits(db: Executor, project_id: str, settings: QuotaSettings) -> ProjectLimits:
    """Configured, overridden by the default class, overridden by the project's own."""
    row = await _sql.limits_of(db, project_id=project_id, class_row=CLASS_ROW)
    return effective(row, settings)


def effective(row: Mapping[str, Any], settings: QuotaSettings) -> ProjectLimits:
    """From a row with what was set: `own` for the project, `class` for all."""
    own: dict[str, Any] = dict(row["own"])
    users = own.pop(_USERS, {})
    return ProjectLimits({**defaults(settings), **row["class"], **own}, own, users)


async def class_limits(db: Executor, settings: QuotaSettings, name: str = "default") -> Limits:
    """Limits of projects that have none of their own; those of other classes count for nobody."""
    row = await _sql.limits_of(db, project_id=CLASS_ROW, class_row=_CLASS + name)
    return {**defaults(settings), **row["class"]}


async def lock(connection: InTransaction, project_id: str) -> None:
    """Hold the project until the transaction ends, so that usage cannot grow meanwhile."""
    if await _sql.lock_project(connection, project_id=project_id) is None:
        await _sql.add_project(connection, project_id=project_id)
        await _sql.lock_project(connection, project_id=project_id)


async def usage(db: Executor, project_id: str, user_id: str | None = None) -> Usage:
    """Of the project, or of one user in it, with what pending resizes may need. Counted now; exact
    only under `lock`."""
    return Usage(**dict(await _sql.usage(db, project_id=project_id, user_id=user_id)))


async def set_limits(
    connection: InTransaction, project_id: str, changes: Limits, *, user_id: str | None = None
) -> None:
    """Add or overwrite limits of a project, or of one user in it. Needs `lock`."""
    row = await _sql.limits_of(connection, project_id=project_id, class_row=CLASS_ROW)
    kept: dict[str, Any] = dict(row["own"])
    if user_id is None:
        kept.update(changes)
    else:
        users = kept.get(_USERS, {})
        kept[_USERS] = {**users, user_id: {**users.get(user_id, {}), **changes}}
    await _sql.set_limits(connection, project_id=project_id, limits=kept)


async def set_class_limits(connection: InTransaction, name: str, changes: Limits) -> None:
    """Change what projects without limits of their own may have, if it is the default class. Needs
    a transaction."""
    await lock(connection, _CLASS + name)
    await set_limits(connection, _CLASS + name, changes)


async def clear(connection: InTransaction, project_id: str, *, user_id: str | None = None) -> None:
    """Back to the defaults, for the project with its users or for one user. Needs `lock`."""
    if user_id is None:
        await _sql.clear_limits(connection, project_id=project_id)
        return
    row = await _sql.limits_of(connection, project_id=project_id, class_row=CLASS_ROW)
    kept: dict[str, Any] = dict(row["own"])
    kept.get(_USERS, {}).pop(user_id, None)
    await _sql.set_limits(connection, project_id=project_id, limits=kept)

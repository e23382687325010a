"""Quota sets: what a project, or one user in it, may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.db.stores import quotas
from common.db.stores.quotas import UNLIMITED, Limits, ProjectLimits
from common.errors import InvalidInput
from services.api.operation import Operation, Reply
from services.api.projects import require_project
from services.api.request import Request
from services.api.schemas import quotas as schemas
from services.api.schemas.query import any_parameters
from services.api.targets import PATH_PROJECT

_RULE = "os_compute_api:os-quota-sets"


async def _project(request: Request) -> str:
    """The project of the path; raises `InvalidInput` for an unknown one."""
    project_id = request.params["project_id"]
    await require_project(request, project_id)
    return project_id


def _visible(request: Request, values: Mapping[str, Any], missing: Any) -> dict[str, Any]:
    return {name: values.get(name, missing) for name in schemas.set_names(request.v)}


async def show(request: Request) -> Reply:
    project_id = await _project(request)
    limits = await quotas.limits(request.app.pool, project_id, request.app.settings.quota)
    shown = _visible(request, limits.of_user(request.q("user_id")), UNLIMITED)
    return Reply({"quota_set": {"id": project_id, **shown}})


async def detail(request: Request) -> Reply:
    project_id = await _project(request)
    pool, user_id = request.app.pool, request.q("user_id")
    limits = await quotas.limits(pool, project_id, request.app.settings.quota)
    used = vars(await quotas.usage(pool, project_id, user_id))
    details = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in limits.of_user(user_id).items()
    }
    unknown = {"limit": UNLIMITED, "in_use": 0, "reserved": 0}
    return Reply({"quota_set": {"id": project_id, **_visible(request, details, unknown)}})


async def defaults(request: Request) -> Reply:
    project_id = await _project(request)
    limits = await quotas.class_limits(request.app.pool, request.app.settings.quota)
    return Reply({"quota_set": {"id": project_id, **_visible(request, limits, UNLIMITED)}})


async def update(request: Request) -> Reply:
    project_id = await _project(request)
    # Limits that nobody enforces are kept too: old clients read back what they have set.
    changes = dict(request.body["quota_set"])
    force = changes.pop("force", False)
    user_id, settings = request.q("user_id"), request.app.settings.quota
    async with request.app.pool.acquire() as connection, connection.transaction():
        await quotas.lock(connection, project_id)
        if not force:
            used = vars(await quotas.usage(connection, project_id, user_id))
            _refuse_below_usage(changes, used)
        if user_id is not None:
            _refuse_above_project(changes, await quotas.limits(connection, project_id, settings))
        await quotas.set_limits(connection, project_id, changes, user_id=user_id)
        limits = await quotas.limits(connection, project_id, settings)
    return Reply({"quota_set": _visible(request, limits.of_user(user_id), UNLIMITED)})


def _refuse_below_usage(changes: Limits, used: dict[str, int]) -> None:
    for name, limit in changes.items():
        if UNLIMITED < limit < used.get(name, 0):
            raise InvalidInput(
                f"Quota limit {limit} for {name} must be greater than or equal to "
                f"already used and reserved {used[name]}."
            )


def _refuse_above_project(changes: Limits, limits: ProjectLimits) -> None:
    for name, limit in changes.items():
        most = limits.effective.get(name, UNLIMITED)
        if most != UNLIMITED and (limit > most or limit == UNLIMITED):
            raise InvalidInput(
                f"Quota limit {limit} for {name} must be less than or equal to {most}."
            )


async def delete(request: Request) -> Reply:
    project_id = await _project(request)
    async with request.app.pool.acquire() as connection, connection.transaction():
        await quotas.lock(connection, project_id)
        await quotas.clear(connection, project_id, user_id=request.q("user_id"))
    return Reply()


_ONE = "/os-quota-sets/{project_id}"
_QUERY = schemas.set_query

# fmt: off
OPERATIONS = [
    Operation("GET", _ONE, show, f"{_RULE}:show", PATH_PROJECT, query=_QUERY),
    Operation("GET", f"{_ONE}/detail", detail, f"{_RULE}:detail", PATH_PROJECT, query=_QUERY),
    Operation("GET", f"{_ONE}/defaults", defaults, f"{_RULE}:defaults", PATH_PROJECT,
              query=any_parameters),
    Operation("PUT", _ONE, update, f"{_RULE}:update", PATH_PROJECT, query=_QUERY,
              body=schemas.update_set),
    Operation("DELETE", _ONE, delete, f"{_RULE}:delete", PATH_PROJECT, query=_QUERY, success=202),
]

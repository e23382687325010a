"""Quota classes: what projects without limits of their own may have. Only "default" counts."""

from __future__ import annotations

from common.db.stores import quotas
from common.db.stores.quotas import UNLIMITED
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import quotas as schemas


async def _limits(request: Request) -> quotas.Limits:
    app = request.app
    return await quotas.class_limits(app.pool, app.settings.quota, request.params["id"])


async def show(request: Request) -> Reply:
    limits = await _limits(request)
    shown = {name: limits.get(name, UNLIMITED) for name in schemas.class_names(request.v)}
    return Reply({"quota_class_set": {"id": request.params["id"], **shown}})


async def update(request: Request) -> Reply:
    # Limits that nobody enforces are kept too: old clients read back what they have set.
    changes = request.body["quota_class_set"]
    async with request.app.pool.acquire() as connection, connection.transaction():
        await quotas.set_class_limits(connection, request.params["id"], changes)
    limits = await _limits(request)
    shown = {name: limits.get(name, UNLIMITED) for name in schemas.class_names(request.v)}
    return Reply({"quota_class_set": shown})


_ONE = "/os-quota-class-sets/{id}"
_RULE = "os_compute_api:os-quota-class-sets"

# fmt: off
OPERATIONS = [
    Operation("GET", _ONE, show, policy=f"{_RULE}:show"),
    Operation("PUT", _ONE, update, policy=f"{_RULE}:update", body=schemas.update_class),
]

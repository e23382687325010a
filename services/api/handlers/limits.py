"""Limits: what a project may have and what it has, in one answer."""

from __future__ import annotations

from common.db.stores import quotas
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas.query import ANY, closed_from
from services.api.targets import QUERY_PROJECT
from services.api.views.limits import ABSOLUTE, Standing


def _rule(request: Request) -> str:
    """A project's own limits are no secret to it."""
    asked = request.q("tenant_id") or request.ctx.project_id
    own = asked == request.ctx.project_id
    return "os_compute_api:limits" if own else "os_compute_api:limits:other_project"


async def show(request: Request) -> Reply:
    app, project_id = request.app, request.owner_project_id
    limits = await quotas.limits(app.pool, project_id, app.settings.quota)
    standing = Standing(limits.effective, await quotas.usage(app.pool, project_id))
    return Reply({"limits": {"rate": [], "absolute": ABSOLUTE.renderer(request)(standing)}})


OPERATIONS = [
    Operation(
        "GET",
        "/limits",
        show,
        policy=_rule,
        target=QUERY_PROJECT("tenant_id"),
        query=closed_from(versions.UNKNOWN_KEYS_REFUSED, tenant_id=ANY),
    ),
]

"""What server groups look like."""

from __future__ import annotations

from typing import Any

from common.db.stores.server_groups import ServerGroup
from services.api import versions
from services.api.request import Request
from services.api.versions import before
from services.api.views.fields import Field, View, attribute


def _rules(group: ServerGroup, _request: Request) -> dict[str, Any]:
    return {} if group.max_per_host is None else {"max_server_per_host": group.max_per_host}


def _policies(group: ServerGroup, request: Request) -> list[str]:
    """A client of before 2.15 knows no soft policies, and is told of none."""
    if group.policy.startswith("soft-") and request.v < versions.SOFT_AFFINITY:
        return []
    return [group.policy]


_OLD_UNTIL = before(versions.SERVER_GROUP_RULES)

GROUP = View(
    [
        Field("id", attribute("uuid")),
        Field("name", attribute("name")),
        Field("members", attribute("members")),
        Field("policies", _policies, until=_OLD_UNTIL),
        Field("metadata", lambda _group, _request: {}, until=_OLD_UNTIL),
        Field("policy", attribute("policy"), since=versions.SERVER_GROUP_RULES),
        Field("rules", _rules, since=versions.SERVER_GROUP_RULES),
        Field("project_id", attribute("project_id"), since=versions.SERVER_GROUP_OWNERS),
        Field("user_id", attribute("user_id"), since=versions.SERVER_GROUP_OWNERS),
    ]
)

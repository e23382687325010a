"""Whether a project that an operator names exists.

Owns: that one question to the identity service. May not: cache; it is asked rarely.
Crash story: none.
"""

from __future__ import annotations

import structlog

from common.errors import InvalidInput, NotFound
from common.neighbours.paths import part
from services.api.request import Request

log = structlog.get_logger(__name__)


async def require_project(request: Request, project_id: str) -> None:
    """Raises `InvalidInput` for a project the identity service does not know.

    When it will not say (the service user may not look), the operator is believed.
    """
    if project_id == request.ctx.project_id:
        return
    unknown = InvalidInput(f"Project ID {project_id} is not a valid project.")
    try:
        path = f"/v3/projects/{part(project_id)}"
    except NotFound as error:
        raise unknown from error
    status, _ = await request.app.session.request("identity", "GET", path)
    if status == 404:
        raise unknown
    if status != 200:
        log.info("project_not_verified", project_id=project_id, status=status)

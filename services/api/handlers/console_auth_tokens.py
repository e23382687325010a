"""Where a console's token leads.

For proxies that are not ours. The ticket in `internal_access_path` opens one connection; a proxy
says CONNECT with it to the host, as Nova's own proxies do. A token for native SPICE clients leads
to a port without a ticket, where the token itself is the SPICE password.
"""

from __future__ import annotations

from typing import Any

from common.bus.host_questions import Question, ask
from common.db.stores import console_tokens
from common.domain.consoles import CONSOLE_TYPES
from common.errors import InvalidInput, NotFound, StaleGeneration
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import console_auth_tokens as schemas
from services.api.views import console_auth_tokens as views


async def show(request: Request) -> Reply:
    if request.v < versions.CONSOLE_TOKENS:
        raise InvalidInput("The requested console type details are not accessible")
    token, app = request.params["id"], request.app
    grant = await console_tokens.find(app.pool, token)
    if grant is None:
        raise NotFound("Token not found")
    kind = CONSOLE_TYPES[grant.console_type]
    params: dict[str, Any] = {"protocol": kind.protocol}
    if not kind.carried:
        secret = console_tokens.digest(token).hex()
        params |= {"secret": secret, "ttl_s": grant.left_s}
    question = Question(
        asker="api",
        host=grant.host,
        server_uuid=str(grant.server_uuid),
        generation=grant.generation,
        verb="connect_console",
        params=params,
        request_id=request.ctx.request_id,
    )
    try:
        place = await ask(app.bus, app.clock, question, timeout_s=app.settings.bus.call_timeout_s)
    except (NotFound, StaleGeneration) as error:
        raise NotFound("Token not found") from error
    return Reply(views.console(str(grant.server_uuid), place, request.v))


OPERATIONS = [
    Operation(
        "GET",
        "/os-console-auth-tokens/{id}",
        show,
        "os_compute_api:os-console-auth-tokens",
        query=schemas.show,
    )
]

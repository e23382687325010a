"""Giving somebody a console: whether it can be had, a token for it, the address to open.

Owns: the checks in their order, and the words when a kind of console is not to be had.
May not: keep a token; only its hash is written.
Crash story: a token that nobody was told expires.
"""

from __future__ import annotations

from common.db.stores import console_tokens
from common.domain import actions
from common.domain.consoles import CONSOLE_TYPES
from common.errors import Conflict, InvalidInput, NotFound, StaleGeneration, Unsupported
from services.api.actions import check
from services.api.host_calls import ask_host
from services.api.request import Request

ROWS = {
    "vnc": actions.VNC_CONSOLE,
    "spice": actions.SPICE_CONSOLE,
    "serial": actions.SERIAL_CONSOLE,
    "mks": actions.MKS_CONSOLE,
}


async def console_url(request: Request, protocol: str, type_name: str) -> str:
    """What a user opens to see the request's server. Raises `Conflict` for a server that has no
    guest to be seen, `InvalidInput` for a console that is not to be had."""
    if protocol in ROWS:
        check(request, ROWS[protocol])
    kind = CONSOLE_TYPES.get(type_name)
    settings = request.app.settings.consoles
    if kind is not None and kind.protocol != protocol:
        raise InvalidInput(f"Invalid console type {type_name}")
    if kind is None or kind.protocol not in settings.enabled:
        raise _unavailable(type_name)
    server = request.server.server
    try:
        await ask_host(request, request.server, "offers_console", protocol=kind.protocol)
    except Unsupported as error:
        raise _unavailable(type_name) from error
    except (NotFound, StaleGeneration) as error:
        raise Conflict(f"Instance {server.uuid} is not ready") from error
    token = str(request.app.ids.uuid())
    await console_tokens.add(
        request.app.pool,
        token,
        server_uuid=server.uuid,
        host=str(server.host),
        generation=server.generation,
        console_type=type_name,
        ttl_s=settings.token_ttl_s,
    )
    return kind.url(getattr(settings, kind.base_url), token)


def _unavailable(type_name: str) -> InvalidInput:
    return InvalidInput(f"Unavailable console type {type_name}.")

"""Shares of a shared file system service, as directories of a server (2.97+).

There is no such service beside Muster and no driver that could mount what it offers, so none can be
attached: that is refused with the reason. What is on record is shown, and can be taken away.
"""

from __future__ import annotations

from common.db.stores import server_shares as store
from common.db.stores.server_shares import ServerShare
from common.domain.actions import ATTACH_SHARE, DETACH_SHARE
from common.errors import Conflict, NotFound
from services.api import versions
from services.api.actions import check
from services.api.identifiers import parse_uuid
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_shares as schemas
from services.api.schemas.query import closed_from
from services.api.targets import SERVER
from services.api.views import servers_shares as views

_RULE = "os_compute_api:os-server-shares:"


async def index(request: Request) -> Reply:
    shares = await store.find(request.app.pool, request.server.server.uuid)
    return Reply({"shares": [views.listed(share) for share in shares]})


async def show(request: Request) -> Reply:
    share = await _find(request, request.params["id"])
    return Reply({"share": views.detailed(share, for_admin=request.can("context_is_admin"))})


async def create(request: Request) -> Reply:
    """Raises `Conflict` for a server in another state or with that share, else `NotFound`."""
    check(request, ATTACH_SHARE)
    share_id = request.body["share"]["share_id"]
    try:
        await _find(request, share_id)
    except NotFound:
        raise NotFound(
            f"Share {share_id} could not be found: this cloud has no shared file system service."
        ) from None
    raise Conflict(f"Share '{share_id}' is already attached to this server.")


async def delete(request: Request) -> Reply:
    check(request, DETACH_SHARE)
    share = await _find(request, request.params["id"])
    await store.delete(request.app.pool, share.server_uuid, share.share_id)
    return Reply()


async def _find(request: Request, text: str) -> ServerShare:
    uuid = parse_uuid(text)
    server_uuid = request.server.server.uuid
    share = uuid and await store.get(request.app.pool, server_uuid, uuid)
    if not share:
        raise NotFound(f"Share {text} is not attached to instance {server_uuid}.")
    return share


_PATH = "/servers/{server_id}/shares"
_ITEM = _PATH + "/{id}"
_SINCE = versions.SHARES
_NO_PARAMETERS = closed_from(_SINCE)
OPERATIONS = [
    Operation("GET", _PATH, index, _RULE + "index", SERVER, since=_SINCE, query=_NO_PARAMETERS),
    Operation(
        "POST",
        _PATH,
        create,
        _RULE + "create",
        SERVER,
        since=_SINCE,
        body=schemas.attach,
        success=201,
    ),
    Operation("GET", _ITEM, show, _RULE + "show", SERVER, since=_SINCE, query=_NO_PARAMETERS),
    Operation("DELETE", _ITEM, delete, _RULE + "delete", SERVER, since=_SINCE),
]

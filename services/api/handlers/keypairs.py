"""Key pairs: how users get into their servers. They belong to users, not to projects."""

from __future__ import annotations

import asyncio

from common.db.stores import keypairs, quotas
from common.db.stores.keypairs import Keypair
from common.errors import NotFound
from services.api import keys, versions
from services.api.operation import Operation, Reply
from services.api.paging import limit_of, next_links, unknown_marker
from services.api.request import Request
from services.api.schemas import keypairs as schemas
from services.api.targets import BODY_USER, QUERY_USER
from services.api.views.keypairs import CREATED, DETAIL, ITEM

_RULE = "os_compute_api:os-keypairs"


def _id_of(keypair: Keypair) -> str:
    return keypair.name


async def index(request: Request) -> Reply:
    pool, user_id = request.app.pool, request.owner_user_id
    render = ITEM.renderer(request)
    if request.v < versions.KEYPAIRS_PAGED:
        found = await keypairs.find(pool, user_id)
        return Reply({"keypairs": [{"keypair": render(keypair)} for keypair in found]})
    if (marker := request.q("marker")) is not None:
        try:
            await keypairs.get(pool, user_id, marker)
        except NotFound as error:
            raise unknown_marker(marker) from error
    page = await keypairs.find(pool, user_id, marker=marker, limit=limit_of(request))
    links = next_links(request, "keypairs_links", page, _id_of, "os-keypairs")
    return Reply({"keypairs": [{"keypair": render(keypair)} for keypair in page], **links})


async def show(request: Request) -> Reply:
    keypair = await keypairs.get(request.app.pool, request.owner_user_id, request.params["name"])
    return Reply({"keypair": DETAIL.renderer(request)(keypair)})


async def create(request: Request) -> Reply:
    asked, app = request.body["keypair"], request.app
    user_id = request.owner_user_id
    kind, public_key, private = asked.get("type", "ssh"), asked.get("public_key"), {}
    if public_key is None:
        made = await asyncio.to_thread(keys.generate, kind, user_id, app.clock.utcnow())
        public_key, private = made.public_key, {"private_key": made.private_key}
    limits = await quotas.limits(app.pool, request.ctx.project_id, app.settings.quota)
    keypair = await keypairs.create(
        app.pool,
        user_id,
        asked["name"],
        kind=kind,
        fingerprint=keys.fingerprint(kind, public_key),
        public_key=public_key,
        quota=limits.of_user(user_id)["key_pairs"],
    )
    return Reply({"keypair": {**CREATED.renderer(request)(keypair), **private}})


async def delete(request: Request) -> Reply:
    await keypairs.delete(request.app.pool, request.owner_user_id, request.params["name"])
    return Reply()


_ONE = "/os-keypairs/{name}"

# fmt: off
OPERATIONS = [
    Operation("GET", "/os-keypairs", index, f"{_RULE}:index", QUERY_USER,
              query=schemas.list_query),
    Operation("POST", "/os-keypairs", create, f"{_RULE}:create", BODY_USER("keypair"),
              body=schemas.create,
              success=lambda v: 201 if v >= versions.KEYPAIR_CODES else 200),
    Operation("GET", _ONE, show, f"{_RULE}:show", QUERY_USER, query=schemas.one_query),
    Operation("DELETE", _ONE, delete, f"{_RULE}:delete", QUERY_USER, query=schemas.one_query,
              success=lambda v: 204 if v >= versions.KEYPAIR_CODES else 202),
]

"""Live migrations of one server that are under way: look, end them early, give them up."""

from __future__ import annotations

from common.db.stores import migrations as store
from common.db.stores.migrations import Migration
from common.db.stores.servers import PlacedServer
from common.domain.actions import LIVE_MIGRATION_ABORT, LIVE_MIGRATION_FORCE
from common.domain.migrations import NOT_YET_RUNNING, RUNNING, UNDER_WAY
from common.errors import InvalidInput, NotFound
from services.api import versions
from services.api.actions import check
from services.api.identifiers import parse_number
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import migrations as schemas
from services.api.servers import interrupting
from services.api.targets import SERVER
from services.api.views.migrations import LIVE_OF_SERVER

_INDEX = "os_compute_api:servers:migrations:index"
_SHOW = "os_compute_api:servers:migrations:show"
_LIVE = "live-migration"


async def index(request: Request) -> Reply:
    placed = request.server
    server = placed.server
    found = await store.live_in_progress(request.app.pool, server.uuid)
    render = LIVE_OF_SERVER.renderer(request)
    return Reply({"migrations": [render(each) for each in found]})


async def show(request: Request) -> Reply:
    placed = request.server
    server = placed.server
    found = await _find(request, placed)
    if found is None:
        raise _unknown(request, placed)
    if found.migration_type != _LIVE:
        raise NotFound(f"Migration {found.id} of server {server.uuid} is no live migration.")
    if found.status not in UNDER_WAY:
        raise NotFound(f"Live migration {found.id} of server {server.uuid} is not in progress.")
    render = LIVE_OF_SERVER.renderer(request)
    return Reply({"migration": render(found)})


async def abort(request: Request) -> Reply:
    placed = request.server
    check(request, LIVE_MIGRATION_ABORT)
    found = await _find(request, placed)
    if found is None:
        raise _unknown(request, placed)
    allowed = RUNNING | NOT_YET_RUNNING if request.v >= versions.ABORT_QUEUED_MIGRATION else RUNNING
    _check_status(placed, found, allowed, "abort")
    await interrupting.ask(request, placed, found, "abort", LIVE_MIGRATION_ABORT)
    return Reply()


async def force_complete(request: Request) -> Reply:
    placed = request.server
    check(request, LIVE_MIGRATION_FORCE)
    found = await _find(request, placed)
    if found is None:
        raise InvalidInput(str(_unknown(request, placed)))
    _check_status(placed, found, RUNNING, "force_complete")
    await interrupting.ask(request, placed, found, "force_complete", LIVE_MIGRATION_FORCE)
    return Reply()


async def _find(request: Request, placed: PlacedServer) -> Migration | None:
    number = parse_number(request.params["id"])
    if number is None:
        return None
    return await store.of_server(request.app.pool, placed.server.uuid, number)


def _unknown(request: Request, placed: PlacedServer) -> NotFound:
    return NotFound(f"Migration {request.params['id']} not found for instance {placed.server.uuid}")


def _check_status(
    placed: PlacedServer, found: Migration, allowed: frozenset[str], what: str
) -> None:
    if found.migration_type != _LIVE or found.status not in allowed:
        raise InvalidInput(
            f"Migration {found.id} state of instance {placed.server.uuid} is {found.status}. "
            f"Cannot {what} while the migration is in this state."
        )


_PATH = "/servers/{server_id}/migrations"
_ONE = _PATH + "/{id}"
# fmt: off
OPERATIONS = [
    Operation("GET", _PATH, index, _INDEX, SERVER, since=versions.SERVER_MIGRATIONS),
    Operation("GET", _ONE, show, _SHOW, SERVER, since=versions.SERVER_MIGRATIONS),
    Operation("DELETE", _ONE, abort, LIVE_MIGRATION_ABORT.policy, SERVER,
              since=versions.ABORT_LIVE_MIGRATION, success=202),
    Operation("POST", _ONE + "/action", force_complete, LIVE_MIGRATION_FORCE.policy, SERVER,
              since=versions.FORCE_COMPLETE, body=schemas.force_complete, success=202,
              action=LIVE_MIGRATION_FORCE.key),
]

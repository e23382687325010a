"""Which projects may use a private flavor."""

from __future__ import annotations

from common.db.stores import flavors
from common.db.stores.flavors import Flavor
from common.errors import Conflict, NotFound
from services.api import versions
from services.api.handlers.flavors import load
from services.api.operation import Operation, Reply
from services.api.projects import require_project
from services.api.request import Request
from services.api.schemas import flavors as schemas


async def index(request: Request) -> Reply:
    flavor = await load(request)
    if flavor.is_public:
        raise NotFound("Access list not available for public flavors.")
    return await _list(request, flavor)


async def _list(request: Request, flavor: Flavor) -> Reply:
    projects = await flavors.projects(request.app.pool, flavor)
    access = [{"flavor_id": flavor.flavorid, "tenant_id": project} for project in projects]
    return Reply({"flavor_access": access})


async def add(request: Request) -> Reply:
    project_id = request.body["addTenantAccess"]["tenant"]
    await require_project(request, project_id)
    flavor = await load(request)
    if flavor.is_public and request.v >= versions.PUBLIC_FLAVOR_ACCESS_REFUSED:
        raise Conflict("Can not add access to a public flavor.")
    await flavors.add_access(request.app.pool, flavor, project_id)
    return await _list(request, flavor)


async def remove(request: Request) -> Reply:
    project_id = request.body["removeTenantAccess"]["tenant"]
    await require_project(request, project_id)
    flavor = await load(request)
    await flavors.remove_access(request.app.pool, flavor, project_id)
    return await _list(request, flavor)


_ACTION = "/flavors/{flavor_id}/action"
_RULE = "os_compute_api:os-flavor-access"

# fmt: off
OPERATIONS = [
    Operation("GET", "/flavors/{flavor_id}/os-flavor-access", index, policy=_RULE),
    Operation("POST", _ACTION, add, action="addTenantAccess", policy=f"{_RULE}:add_tenant_access",
              body=schemas.add_access),
    Operation("POST", _ACTION, remove, action="removeTenantAccess",
              policy=f"{_RULE}:remove_tenant_access", body=schemas.remove_access),
]

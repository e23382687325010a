"""What a flavor asks of a host beyond sizes."""

from __future__ import annotations

from typing import Any

from common.db.stores import flavors
from common.errors import InvalidInput, NotFound
from services.api import versions
from services.api.handlers.flavors import load
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import extra_specs
from services.api.schemas import flavors as schemas


async def index(request: Request) -> Reply:
    return Reply({"extra_specs": (await load(request)).extra_specs})


async def show(request: Request) -> Reply:
    flavor, key = await load(request), request.params["key"]
    if key not in flavor.extra_specs:
        raise NotFound(f"Flavor {flavor.flavorid} has no extra specs with key {key}.")
    return Reply({key: flavor.extra_specs[key]})


async def create(request: Request) -> Reply:
    specs = request.body["extra_specs"]
    await _add(request, specs)
    return Reply(request.body)


async def update(request: Request) -> Reply:
    if request.params["key"] not in request.body:
        raise InvalidInput("Request body and URI mismatch")
    await _add(request, request.body)
    return Reply(request.body)


async def _add(request: Request, specs: dict[str, Any]) -> None:
    texts = {key: str(value) for key, value in specs.items()}
    if request.v >= versions.EXTRA_SPECS_CHECKED:
        for key, value in texts.items():
            extra_specs.check(key, value)
    await flavors.add_extra_specs(request.app.pool, request.params["flavor_id"], texts)


async def delete(request: Request) -> Reply:
    flavor = await load(request)
    await flavors.delete_extra_spec(request.app.pool, flavor.flavorid, request.params["key"])
    return Reply()


_ALL = "/flavors/{flavor_id}/os-extra_specs"
_ONE = "/flavors/{flavor_id}/os-extra_specs/{key}"
_RULE = "os_compute_api:os-flavor-extra-specs"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, policy=f"{_RULE}:index"),
    Operation("POST", _ALL, create, policy=f"{_RULE}:create", body=schemas.create_extra_specs),
    Operation("GET", _ONE, show, policy=f"{_RULE}:show"),
    Operation("PUT", _ONE, update, policy=f"{_RULE}:update", body=schemas.update_extra_spec),
    Operation("DELETE", _ONE, delete, policy=f"{_RULE}:delete"),
]

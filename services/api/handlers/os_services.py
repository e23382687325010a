"""Services: which processes of the control plane and which hosts there are, and what operators
have decided about them."""

from __future__ import annotations

from typing import Any

import structlog

from common.bus.port import Bus, BusClosed
from common.bus.topology import host_queue
from common.db.stores import os_services
from common.db.stores.os_services import COMPUTE, ServiceChange, ServiceRecord
from common.errors import InvalidInput, NotFound, Unavailable
from services.api import identifiers, versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import os_services as schemas
from services.api.versions import before
from services.api.views.os_services import SERVICE, status_of

log = structlog.get_logger(__name__)


async def index(request: Request) -> Reply:
    found = await os_services.find(
        request.app.pool, host=request.q("host"), binary_name=request.q("binary")
    )
    render = SERVICE.renderer(request)
    return Reply({"services": [render(service) for service in found]})


async def perform(request: Request) -> Reply:
    """The verbs of 2.1 to 2.52: the path names one, the body a host."""
    verb, asked = request.params["id"], request.body
    wanted = _wanted_by_verb(verb, asked, request.v)
    _require_compute(asked["binary"])
    pool = request.app.pool
    service = await os_services.get_by_host(pool, asked["host"], asked["binary"])
    service = await os_services.change(pool, service, wanted)
    shown: dict[str, Any] = {"host": service.host, "binary": service.binary_name}
    if verb == "force-down":
        return Reply({"service": {**shown, "forced_down": service.forced_down}})
    shown["status"] = status_of(service)
    if verb == "disable-log-reason":
        shown["disabled_reason"] = service.disabled_reason
    return Reply({"service": shown})


def _wanted_by_verb(verb: str, asked: dict[str, Any], version: int) -> ServiceChange:
    match verb:
        case "enable":
            return ServiceChange(disabled=False)
        case "disable":
            return ServiceChange(disabled=True)
        case "disable-log-reason":
            if "disabled_reason" not in asked:
                raise InvalidInput("Missing disabled reason field")
            return ServiceChange(disabled=True, disabled_reason=asked["disabled_reason"])
        case "force-down" if version >= versions.FORCED_DOWN:
            if "forced_down" not in asked:
                raise InvalidInput("Missing forced_down field")
            return ServiceChange(forced_down=asked["forced_down"])
    raise NotFound("Unknown action")


async def update(request: Request) -> Reply:
    """From 2.53: the path names the service, the body what changes."""
    service = await _load(request)
    _require_compute(service.binary_name)
    wanted = _wanted(request.body)
    service = await os_services.change(request.app.pool, service, wanted)
    return Reply({"service": SERVICE.renderer(request)(service)})


def _wanted(asked: dict[str, Any]) -> ServiceChange:
    """Asking for what is so already is no mistake: whoever repeats a request is answered alike."""
    status, reason = asked.get("status"), asked.get("disabled_reason")
    if status == "enabled" and reason is not None:
        raise InvalidInput("Specifying 'disabled_reason' when status is 'enabled' is invalid.")
    if status is None and "forced_down" not in asked:
        raise InvalidInput(
            "No updates were requested. Fields 'status' or 'forced_down' should be specified."
        )
    return ServiceChange(
        disabled=None if status is None else status == "disabled",
        disabled_reason=reason,
        forced_down=asked.get("forced_down"),
    )


async def delete(request: Request) -> Reply:
    service = await _load(request)
    await os_services.delete(request.app.pool, service)
    if service.binary_name == COMPUTE:
        request.app.tasks.spawn("delete-host-queue", _delete_queue(request.app.bus, service.host))
    return Reply()


async def _delete_queue(bus: Bus, host: str) -> None:
    """Nobody will read the commands that still wait there. An agent that yet comes back declares
    its queue anew, and one that is still running keeps it. Best effort: what stays is an empty
    queue or one with old commands, which its host would not carry out unasked."""
    try:
        gone = await bus.delete_queue(host_queue(host))
        log.info("host_queue_deleted" if gone else "host_queue_in_use", host=host)
    except (BusClosed, Unavailable) as error:
        log.warning("host_queue_not_deleted", queue=host_queue(host).name, error=str(error))


async def _load(request: Request) -> ServiceRecord:
    text = request.params["id"]
    service_id = identifiers.parse(text, request.v)
    if service_id is None:
        raise InvalidInput(f"Invalid service id {text}")
    return await os_services.get(request.app.pool, service_id)


def _require_compute(binary_name: str) -> None:
    if binary_name != COMPUTE:
        raise InvalidInput(
            f"Updating a {binary_name} service is not supported. "
            f"Only {COMPUTE} services can be updated."
        )


_RULE = "os_compute_api:os-services"
_ONE = "/os-services/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", "/os-services", index, policy=f"{_RULE}:list", query=schemas.list_query),
    Operation("PUT", _ONE, perform, policy=f"{_RULE}:update",
              until=before(versions.SERVICE_UUIDS), body=schemas.update),
    Operation("PUT", _ONE, update, policy=f"{_RULE}:update",
              since=versions.SERVICE_UUIDS, body=schemas.update),
    Operation("DELETE", _ONE, delete, policy=f"{_RULE}:delete", success=204),
]

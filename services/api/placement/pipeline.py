"""What happens to a request of the Placement API.

In order: 401 token -> 400 or 406 version -> 403 rule -> 404 path -> 405 method -> handler.

Owns: that order, the table of paths and the headers. May not: know any resource.
Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import structlog
from aiohttp import web

from common.db.stores.claims import Ratios
from common.errors import Unauthorized
from services.api.http import faults, responses
from services.api.http.addresses import Addresses
from services.api.placement import candidates, consumers, kinds, providers, versions
from services.api.placement.errors import PlacementError
from services.api.placement.query import Ask
from services.api.request import Deps, RequestContext

if TYPE_CHECKING:
    from services.api.http.authentication import Authenticator
    from services.api.outages import DatabaseOutage

log = structlog.get_logger(__name__)

_HEADER = "OpenStack-API-Version"
_EVERYTHING = "placement:read"
_OWN_USAGES = "placement:usages"


@dataclass(frozen=True)
class Row:
    path: str
    handler: Callable[[Ask], Awaitable[Any]]
    since: int = versions.MIN


_ONE = "/resource_providers/{uuid}"
ROWS = (
    Row("/resource_providers", providers.index),
    Row(_ONE, providers.show),
    Row(f"{_ONE}/inventories", providers.inventories),
    Row(f"{_ONE}/inventories/{{resource_class}}", providers.inventory),
    Row(f"{_ONE}/usages", providers.usages),
    Row(f"{_ONE}/aggregates", providers.aggregates, versions.AGGREGATES),
    Row(f"{_ONE}/traits", providers.traits, versions.TRAITS),
    Row(f"{_ONE}/allocations", providers.allocations),
    Row("/allocations/{consumer_uuid}", consumers.allocations),
    Row("/usages", consumers.usages, versions.USAGES),
    Row("/resource_classes", kinds.resource_classes, versions.RESOURCE_CLASSES),
    Row("/resource_classes/{name}", kinds.resource_class, versions.RESOURCE_CLASSES),
    Row("/traits", kinds.traits, versions.TRAITS),
    Row("/traits/{name}", kinds.trait, versions.TRAITS),
    Row("/allocation_candidates", candidates.index, versions.CANDIDATES),
)


class PlacementView:
    """Answers what comes under `ROOT`."""

    def __init__(
        self,
        deps: Deps,
        authenticator: Authenticator,
        *,
        database: DatabaseOutage,
        www_authenticate_url: str,
    ) -> None:
        self._deps = deps
        self._authenticator = authenticator
        self._database = database
        self._addresses = Addresses(deps.settings.api)
        self._www_authenticate_url = www_authenticate_url
        scheduler = deps.settings.scheduler
        self._ratios = Ratios(
            cpu=scheduler.cpu_allocation_ratio,
            ram=scheduler.ram_allocation_ratio,
            disk=scheduler.disk_allocation_ratio,
        )

    @staticmethod
    def has(path: str) -> bool:
        return path == providers.ROOT or path.startswith(f"{providers.ROOT}/")

    async def answer(self, http: web.BaseRequest) -> web.Response:
        """Never raises; every outcome is an answer."""
        request_id = self._deps.ids.request_id()
        path = http.rel_url.raw_path.removeprefix(providers.ROOT)
        if not path.strip("/"):
            return self._headed(web.Response(body=responses.dumps(_root())), request_id, None)
        version: int | None = None
        try:
            ctx = await self._authenticator.context(
                http.headers, self._addresses.client(http), request_id
            )
            version = versions.requested(http.headers.get(_HEADER))
            body = await self._perform(http, path, version, ctx)
        except Unauthorized as error:
            return responses.unauthorized(str(error), request_id, self._www_authenticate_url)
        except PlacementError as error:
            return self._failed(error, request_id, version)
        except Exception as error:
            self._database.noticed(error)
            if not faults.expected(error):
                log.exception("placement_request_failed", path=path)
            refused = PlacementError(faults.status_of(error), faults.message_of(error))
            response = self._failed(refused, request_id, version)
            if (retry_after_s := faults.retry_after_s(error)) is not None:
                response.headers["Retry-After"] = str(retry_after_s)
            return response
        status = 204 if body is None else 200
        payload = None if body is None else responses.dumps(body)
        return self._headed(web.Response(status=status, body=payload), request_id, version)

    async def _perform(
        self, http: web.BaseRequest, path: str, version: int, ctx: RequestContext
    ) -> Any:
        query: dict[str, list[str]] = {}
        for name, value in http.rel_url.query.items():
            query.setdefault(name, []).append(value)
        self._require(ctx, path, query)
        for row in ROWS:
            params = _match(row.path, path)
            if params is None or version < row.since:
                continue
            if http.method not in {"GET", "HEAD"}:
                raise PlacementError(
                    405, "The ledger of hosts and claims can be read here, not changed."
                )
            return await row.handler(
                Ask(self._deps.pool, self._ratios, ctx, version, params, query)
            )
        raise PlacementError(404, "The resource could not be found.")

    def _require(self, ctx: RequestContext, path: str, query: dict[str, list[str]]) -> None:
        allows = self._deps.policy.allows
        if allows(_EVERYTHING, ctx):
            return
        project_id = (query.get("project_id") or [""])[-1]
        if path == "/usages" and project_id and allows(_OWN_USAGES, ctx, project_id):
            return
        raise PlacementError(403, "Policy does not allow placement to be read.")

    def _failed(self, error: PlacementError, request_id: str, version: int | None) -> web.Response:
        with_code = version is not None and version >= versions.ERROR_CODES
        body = responses.dumps(error.body(request_id, with_code=with_code))
        return self._headed(web.Response(status=error.status, body=body), request_id, version)

    def _headed(self, response: web.Response, request_id: str, version: int | None) -> web.Response:
        response.headers["x-openstack-request-id"] = request_id
        if response.body is not None:
            response.headers["Content-Type"] = responses.JSON
        if version is not None:
            response.headers[_HEADER] = f"placement {versions.show(version)}"
            response.headers["Vary"] = _HEADER
            if version >= versions.CACHE_HEADERS:
                now = self._deps.clock.utcnow()
                response.headers["Last-Modified"] = format_datetime(now, usegmt=True)
                response.headers["Cache-Control"] = "no-cache"
        return response


def _match(pattern: str, path: str) -> dict[str, str] | None:
    """Values of the pattern's {names}; None: it is another path."""
    names, values = pattern.split("/"), [unquote(part) for part in path.split("/")]
    if len(names) != len(values):
        return None
    found: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if name.startswith("{"):
            found[name[1:-1]] = value
        elif name != value:
            return None
    return found


def _root() -> dict[str, Any]:
    return {
        "versions": [
            {
                "id": "v1.0",
                "min_version": versions.show(versions.MIN),
                "max_version": versions.show(versions.MAX),
                "status": "CURRENT",
                "links": [{"rel": "self", "href": ""}],
            }
        ]
    }

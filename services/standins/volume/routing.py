"""Microversions of the volume service.

Owns: which version a request asks for, what it hears about it, from which one an operation exists.
May not: know what a version changes; views and operations say so with their `since`.
Crash story: pure functions over one request.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from common.runtime.ports import Ids
from services.standins.web import Call, Fault, Reply, Route

HEADER = "OpenStack-API-Version"
NEWEST = 71
_PROJECT = "/{project_id:[0-9a-f-]+}"

Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the route table, reachable with and without a project in the path."""

    method: str
    path: str
    """Below `/v3`."""
    handler: Handler
    since: int = 0
    ask: Callable[[Call], Awaitable[Any]] | None = None


def minor(call: Call) -> int:
    """N of the version 3.N that the request asks for; Fault 406 for one that is not served."""
    for text in ",".join(call.request.headers.getall(HEADER, [])).split(","):
        service, _, version = text.strip().partition(" ")
        if service != "volume":
            continue
        if version == "latest":
            return NEWEST
        found = re.fullmatch(r"(\d+)\.(\d+)", version)
        if found is None:
            raise Fault(400, f"API Version String {version} is of invalid format.")
        if found[1] != "3" or int(found[2]) > NEWEST:
            raise Fault(
                406,
                f"Version {version} is not supported by the API. Minimum is 3.0 and maximum is"
                f" 3.{NEWEST}.",
            )
        return int(found[2])
    return 0


def routes(operations: Iterable[Operation], ids: Ids) -> Iterable[Route]:
    for operation in operations:
        handler = _negotiated(operation, ids)
        for prefix in ("/v3", "/v3" + _PROJECT):
            path = prefix + operation.path
            yield Route(operation.method, path, handler, ask=_asked(operation))


def _negotiated(operation: Operation, ids: Ids) -> Handler:
    def handle(call: Call) -> Reply:
        request_id = ids.request_id()
        headers = {"X-Openstack-Request-Id": request_id, "X-Compute-Request-Id": request_id}
        try:
            version = minor(call)
            headers |= {HEADER: f"volume 3.{version}", "Vary": HEADER}
            _check(call, operation, version)
            reply = operation.handler(call)
        except Fault as fault:
            fault.headers = {**fault.headers, **headers}
            raise
        reply.headers = {**(reply.headers or {}), **headers}
        return reply

    return handle


def _check(call: Call, operation: Operation, version: int) -> None:
    if version < operation.since:
        raise Fault(404, f"{operation.path} exists from version 3.{operation.since} on.")
    project = call.request.match_info.get("project_id")
    if project is not None and project != call.caller.project_id:
        raise Fault(400, "Malformed request url: the project in it is not the token's.")


def _asked(operation: Operation) -> Callable[[Call], Awaitable[Any]] | None:
    """The question of an operation, unless its handler will refuse anyway."""
    if operation.ask is None:
        return None
    ask = operation.ask

    async def asked(call: Call) -> Any:
        return await ask(call) if minor(call) >= operation.since else None

    return asked

"""What an operation is about: found, and policy decided against it, before its handler runs.

A row of OPERATIONS names one of these. Each finds the target of a request, notes whose it is
(from then on `request.can` means that project and user), and requires the row's rule.
Owns: the order "is it there, may the caller know that, may the caller do it".
May not: change anything. Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from common.db.stores import servers as store
from common.errors import NotFound
from services.api.identifiers import parse_uuid
from services.api.request import Request

Target = Callable[[Request, str | None], Awaitable[None]]
"""(request, rule): raises `NotFound` or `Forbidden`. No rule: everybody may."""


async def OWN(request: Request, rule: str | None) -> None:  # noqa: N802 - a row's value
    """Nothing but the caller's own project and user."""
    if rule is not None:
        request.require(rule)


async def SERVER(request: Request, rule: str | None) -> None:  # noqa: N802
    """The server of the path's {server_id}; the handler reads `request.server`."""
    await _server(request, rule, include_deleted=False)


async def SERVER_OR_DELETED(request: Request, rule: str | None) -> None:  # noqa: N802
    """The same, also one that is gone and not archived yet."""
    await _server(request, rule, include_deleted=True)


async def PATH_PROJECT(request: Request, rule: str | None) -> None:  # noqa: N802
    """The project of the path's {project_id}."""
    request.owner_project_id = request.params["project_id"]
    if rule is not None:
        request.require(rule)


def QUERY_PROJECT(name: str) -> Target:  # noqa: N802
    """The project that the query's `name` names, else the caller's own."""

    async def find(request: Request, rule: str | None) -> None:
        request.owner_project_id = request.q(name) or request.ctx.project_id
        if rule is not None:
            request.require(rule)

    return find


async def QUERY_USER(request: Request, rule: str | None) -> None:  # noqa: N802
    """The user of the query's user_id, else the caller."""
    request.owner_user_id = request.q("user_id") or request.ctx.user_id
    if rule is not None:
        request.require(rule)


def BODY_USER(key: str) -> Target:  # noqa: N802
    """The user of the user_id that the body's `key` names, else the caller."""

    async def find(request: Request, rule: str | None) -> None:
        request.owner_user_id = request.body[key].get("user_id") or request.ctx.user_id
        if rule is not None:
            request.require(rule)

    return find


def server_not_found(server_id: object) -> NotFound:
    return NotFound(f"Instance {server_id} could not be found.")


async def _server(request: Request, rule: str | None, *, include_deleted: bool) -> None:
    text = request.params["server_id"]
    uuid = parse_uuid(text)
    placed = uuid and await store.server_get(
        request.app.pool, uuid, include_deleted=include_deleted
    )
    if not placed:
        raise server_not_found(text)
    request.owner_project_id = placed.server.project_id
    request.owner_user_id = placed.server.user_id
    request.found = placed
    if rule is None or request.can(rule):
        return
    if placed.server.project_id != request.ctx.project_id and not request.sees_all_projects:
        raise server_not_found(text)
    request.require(rule)

"""Pages of lists.

Owns: how limit and marker are read, and when a page says where the next one is.
May not: query anything. Crash story: none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from common.errors import InvalidInput
from services.api.request import Request

T = TypeVar("T")


def limit_of(request: Request) -> int:
    """How many items the page may have; 0 is an empty page."""
    most = request.app.settings.api.max_limit
    asked = request.q("limit")
    return most if asked is None else min(asked, most)


def window_of(request: Request) -> tuple[int, int]:
    """(how many to leave out, how many to show) of the oldest lists: `offset` and `limit`, where
    a limit of 0 is none."""
    most = request.app.settings.api.max_limit
    return request.q("offset") or 0, min(request.q("limit") or most, most)


def unknown_marker(marker: str) -> InvalidInput:
    return InvalidInput(f"marker [{marker}] not found")


def cut(request: Request, items: Sequence[T], id_of: Callable[[T], str]) -> list[T]:
    """The page of an already sorted list; raises `InvalidInput` for an unknown marker."""
    marker, start = request.q("marker"), 0
    if marker is not None:
        found = (index for index, item in enumerate(items) if id_of(item) == marker)
        start = next(found, -1) + 1
        if start == 0:
            raise unknown_marker(marker)
    return list(items[start : start + limit_of(request)])


def next_links(
    request: Request, key: str, page: Sequence[T], id_of: Callable[[T], str], *path: str
) -> dict[str, Any]:
    """`{key: [...]}` when the page is full, so that there may be more; else nothing."""
    if not page or len(page) < limit_of(request):
        return {}
    return {key: request.links.next(id_of(page[-1]), *path)}

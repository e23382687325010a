"""What goes wrong in the Placement API's form.

Owns: the one error that handlers raise. May not: decide. Crash story: none.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class PlacementError(Exception):
    """An answer that is no success; `more` are further keys of the error."""

    def __init__(self, status: int, detail: str, **more: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more

    def body(self, request_id: str, *, with_code: bool) -> dict[str, Any]:
        error: dict[str, Any] = {
            "status": self.status,
            "title": HTTPStatus(self.status).phrase,
            "detail": self.detail,
            "request_id": request_id,
            **self.more,
        }
        if with_code:
            error["code"] = "placement.undefined_code"
        return {"errors": [error]}


def not_found(what: str) -> PlacementError:
    return PlacementError(404, what)

"""What a failure looks like to a client of the Compute API.

Owns: the names of fault bodies per status, and the mapping of every exception to one of them.
May not: tell a caller about an unexpected failure more than its class. Crash story: none.
"""

from __future__ import annotations

from typing import Any, ClassVar

import asyncpg

from common.db.pool import out_of_reach
from common.errors import Bug, MusterError

_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}

_OF_LIMITS = frozenset({413, 429})
_UNSTORABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
"""A text with a NUL character, which no text of the database can hold."""


RETRY_AFTER_S = 2
"""What is away is usually back within seconds: a restart, another leader."""


class HttpError(MusterError):
    """A failure that only exists at the HTTP border and names its own status."""

    code: ClassVar[str] = "http"

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def status_of(error: BaseException) -> int:
    """The status a failure is answered with; 500 for everything nobody expected."""
    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, MusterError):
        return error.http_status
    if isinstance(error, _UNSTORABLE):
        return 400
    return 503 if out_of_reach(error) else 500


def expected(error: BaseException) -> bool:
    """False for what must be logged with its traceback."""
    if isinstance(error, Bug):
        return False
    return isinstance(error, (MusterError, *_UNSTORABLE)) or out_of_reach(error)


def retry_after_s(error: BaseException) -> int | None:
    """When the caller should come again; None: asking again changes nothing."""
    if isinstance(error, HttpError):
        return error.retry_after_s
    return RETRY_AFTER_S if status_of(error) == 503 else None


def message_of(error: BaseException) -> str:
    """The text for the caller."""
    if isinstance(error, MusterError) and not isinstance(error, Bug):
        return str(error)
    if isinstance(error, _UNSTORABLE):
        return "The request has a character that cannot be stored: NUL (U+0000)."
    if out_of_reach(error):
        return "The database cannot be reached. Please try again later."
    return (
        "Unexpected API Error. The service's log has the details under this request's id.\n"
        f"{type(error)}"
    )


def body(status: int, message: str, retry_after_s: int | None = None) -> dict[str, Any]:
    """The fault object: exactly one key that names the kind. Clients look for `retryAfter` in those
    of limits only."""
    fault: dict[str, Any] = {"code": status, "message": message}
    if retry_after_s is not None and status in _OF_LIMITS:
        fault["retryAfter"] = str(retry_after_s)
    return {_NAMES.get(status, "computeFault"): fault}

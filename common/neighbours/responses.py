"""What a neighbour's refusal means here.

Owns: one mapping from status to the kinds in common/errors, used by every neighbour's client.
May not: know a particular neighbour beyond how it words an error. Crash story: none.
"""

from __future__ import annotations

from typing import Any

from common.errors import (
    Bug,
    Conflict,
    Forbidden,
    InvalidInput,
    MusterError,
    NotFound,
    OverQuota,
    Unauthorized,
    Unavailable,
)

_KINDS: dict[int, type[MusterError]] = {
    400: InvalidInput,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: OverQuota,
    429: Unavailable,
}


_TYPES: dict[str, type[MusterError]] = {
    "OverQuota": OverQuota,
    "IpAddressGenerationFailure": InvalidInput,  # no address is left in the subnet
}
"""Where the type of the error says more than the status."""


def accepted(service: str, status: int, body: Any, *good: int) -> Any:
    """`body` when `status` is one of `good`, else the error it stands for."""
    if status in good:
        return body
    kind, message = _reason(body)
    if kind in _TYPES:
        raise _TYPES[kind](message)
    raise _KINDS.get(status, Bug)(message or f"The {service} service answered {status}.")


def _reason(body: Any) -> tuple[str, str]:
    """Type and text of an error body in any of the forms neighbours use."""
    if isinstance(body, dict):
        for error in body.values():
            if isinstance(error, dict) and "message" in error:
                return str(error.get("type", "")), str(error["message"])
            if isinstance(error, str):
                return "", error
    return "", ""

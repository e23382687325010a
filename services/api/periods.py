"""Lists limited to what changed in a period: changes-since and changes-before.

Owns: what the two parameters mean. Users are shown whole seconds and send them back, so a period
is one of whole seconds, from the beginning of its first to the end of its last.
May not: query anything. Crash story: none, pure functions.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from common.errors import InvalidInput
from services.api.request import Request

_REST_OF_SECOND = 999_999


@dataclass(frozen=True)
class Period:
    """Both ends belong to it; None: open."""

    since: dt.datetime | None = None
    before: dt.datetime | None = None


def changed(request: Request) -> Period:
    """What the query asks for; raises `InvalidInput` for an end before the beginning."""
    since: dt.datetime | None = request.q("changes-since")
    before: dt.datetime | None = request.q("changes-before")
    if since and before and since > before:
        raise InvalidInput(
            "The value of changes-since must be less than or equal to changes-before."
        )
    return Period(
        since and since.replace(microsecond=0),
        before and before.replace(microsecond=_REST_OF_SECOND),
    )

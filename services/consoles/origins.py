"""Which web pages may open a console.

Owns: the rule against pages of others that a user's browser happens to show.
May not: stand in for a token; programs that are no browsers say no origin and may always.
Crash story: none, a pure function.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def allowed(origin: str | None, host: str, others: Collection[str]) -> bool:
    """Whether a WebSocket may be opened by a page of `origin`: of the same host and port as the
    request (`host`, its header) or one of the `others`."""
    if origin is None:
        return True
    if origin in others:
        return True
    try:
        page, mine = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS[page.scheme]
        same = (page.hostname, page.port or default) == (mine.hostname, mine.port or default)
        return same and bool(page.hostname)
    except (KeyError, ValueError):
        return False

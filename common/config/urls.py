"""Passwords in URLs of settings: they belong into settings of their own, but may stand there.

Owns: finding and hiding them. May not: connect anywhere. Crash story: none, pure functions.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_PASSWORD = "password"  # noqa: S105 - the name of a parameter
HIDDEN = "**********"


def password_in(url: str) -> str | None:
    """Before the host, or, as libpq takes it, in the query."""
    parts = urlsplit(url)
    if parts.password is not None:
        return unquote(parts.password)
    return dict(parse_qsl(parts.query)).get(_PASSWORD)


def without_password(url: str) -> str:
    """The same, to be shown."""
    if password_in(url) is None:
        return url
    parts = urlsplit(url)
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    place = parts.netloc.rpartition("@")[2]
    shown = f"{user}:{HIDDEN}@{place}" if colon else parts.netloc
    query = [(n, HIDDEN if n == _PASSWORD else v) for n, v in parse_qsl(parts.query)]
    return urlunsplit(parts._replace(netloc=shown, query=urlencode(query, safe="*/")))

"""By which address a client reached the API, so that links in answers lead back there.

Owns: reading it from the request. What proxies say of it (X-Forwarded-*) counts only where a
setting says that a proxy is in front: anybody could send such headers.
May not: look anything up. Crash story: none.
"""

from __future__ import annotations

import re

from aiohttp import web

from common.config.api import ApiSettings

_HOST = re.compile(r"[\w.\-\[\]:]+", re.ASCII)
_PREFIX = re.compile(r"(/[\w.\-~%]+)+", re.ASCII)


class Addresses:
    """The rule of one process."""

    def __init__(self, settings: ApiSettings) -> None:
        self._prefix = (settings.compute_link_prefix or "").rstrip("/")
        self._behind_proxy = settings.behind_proxy

    def base(self, http: web.BaseRequest) -> str:
        """Scheme, authority and, behind a proxy, the path before /v2.1; no slash at the end."""
        if self._prefix:
            return self._prefix
        scheme, host, prefix = http.scheme, http.headers.get("Host") or http.host, ""
        if self._behind_proxy:
            proto = _first(http, "X-Forwarded-Proto").lower()
            scheme = proto if proto in {"http", "https"} else scheme
            host = _matching(_HOST, _first(http, "X-Forwarded-Host")) or host
            prefix = _matching(_PREFIX, _first(http, "X-Forwarded-Prefix").rstrip("/"))
        return f"{scheme}://{host}{prefix}"

    def client(self, http: web.BaseRequest) -> str:
        """Who is connected; behind a proxy, who is connected to that."""
        forwarded = http.headers.getall("X-Forwarded-For", []) if self._behind_proxy else []
        outside = forwarded[-1].rpartition(",")[2].strip() if forwarded else ""
        return outside or http.remote or ""


def _first(http: web.BaseRequest, name: str) -> str:
    """What the outermost of several proxies said."""
    return http.headers.get(name, "").partition(",")[0].strip()


def _matching(form: re.Pattern[str], text: str) -> str:
    return text if form.fullmatch(text) else ""

"""Addresses in answers.

Owns: the form of self, bookmark and next links: they repeat the host and the URL form (with or
without project) by which the request came.
May not: look anything up. Crash story: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Links:
    """Links of one request."""

    host: str
    """What comes before the version, e.g. "http://10.0.0.1:8774" (addresses.py)."""
    version: str
    """First path segment of the request, "v2.1" or "v2"."""
    project: str
    """"/<project_id>" when the request's URL had it, else ""."""
    query: dict[str, list[str]]

    def self(self, *path: str) -> str:
        """`self("servers", id)`: the address under the API version."""
        return f"{self.host}/{self.version}{self.project}/{_join(path)}"

    def bookmark(self, *path: str) -> str:
        """The address without a version, which stays the same for ever."""
        return f"{self.host}{self.project}/{_join(path)}"

    def pair(self, *path: str) -> list[dict[str, str]]:
        """The `links` list of a resource."""
        return [
            {"rel": "self", "href": self.self(*path)},
            {"rel": "bookmark", "href": self.bookmark(*path)},
        ]

    def next(self, marker: str, *path: str) -> list[dict[str, str]]:
        """The `<collection>_links` list that leads to the page after `marker`."""
        # By name only: the values of one name (sort keys) keep their order.
        query = sorted({**self.query, "marker": [marker]}.items())
        pairs = [(name, value) for name, values in query for value in values]
        return [{"rel": "next", "href": f"{self.self(*path)}?{urlencode(pairs)}"}]


def _join(path: tuple[str, ...]) -> str:
    return "/".join(quote(part, safe="/:") for part in path)

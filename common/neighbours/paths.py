"""Ids that users give, as parts of a neighbour's path.

Owns: that such a part stays one part: a path is asked for with the service's own token, so what it
leads to must not be the user's choice. May not: know any neighbour. Crash story: none.
"""

from __future__ import annotations

from urllib.parse import quote

from common.errors import NotFound

_NOWHERE = frozenset({"", ".", ".."})
"""Would lead to another path, quoted or not."""


def part(text: str) -> str:
    """`text` as one part of a path; raises `NotFound` for what no resource can be called."""
    if text in _NOWHERE:
        raise NotFound(f"There is nothing with the id '{text}'.")
    return quote(text, safe="")

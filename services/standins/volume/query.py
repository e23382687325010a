"""The volume service's query language: filters, sorting, pages, counts.

Owns: what a query string means for a list. May not: know who asks.
Crash story: pure functions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from multidict import MultiMapping

from services.standins.listing import page, read_limit, sorted_by
from services.standins.store import Doc
from services.standins.web import Call, Fault

MOST = 1000
COUNTED_SINCE = 45
TRUE_WORDS = frozenset({"true", "1", "t", "yes", "on", "y"})
OTHER_NAMES = {
    "display_name": "name",
    "display_description": "description",
    "tenant_id": "project_id",
}

Filters = Mapping[str, Callable[[Doc], Any]]
"""What may be filtered by, and where it is in a document."""


def truth(text: str) -> bool:
    return text.strip().lower() in TRUE_WORDS


def matching(docs: Iterable[Doc], query: MultiMapping[str], filters: Filters) -> list[Doc]:
    """Documents for which every known filter holds; unknown names do not filter."""
    found = list(docs)
    for sent in dict.fromkeys(query):
        name, like = OTHER_NAMES.get(sent, sent), False
        if name.endswith("~"):
            name, like = name.removesuffix("~"), True
        value = filters.get(name)
        if value is None:
            continue
        wanted = query.getall(sent)[-1]
        if name in {"metadata", "glance_metadata"}:
            pairs = _pairs(name, wanted).items()
            found = [d for d in found if pairs <= (value(d) or {}).items()]
        elif like:
            found = [d for d in found if wanted in str(value(d) or "")]
        else:
            found = [d for d in found if _equals(value(d), wanted)]
    return found


def _pairs(name: str, text: str) -> dict[str, str]:
    """Clients write a dictionary the way Python does."""
    try:
        pairs = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise Fault(400, f"Invalid filter {name}: '{text}' is not a dictionary.") from error
    if not isinstance(pairs, dict):
        raise Fault(400, f"Invalid filter {name}: '{text}' is not a dictionary.")
    return {str(key): str(value) for key, value in pairs.items()}


def _equals(actual: Any, wanted: str) -> bool:
    if isinstance(actual, bool):
        return truth(wanted) == actual
    if isinstance(actual, list):
        return wanted in actual
    return str("" if actual is None else actual) == wanted


def _order(query: MultiMapping[str], known: frozenset[str]) -> list[tuple[str, bool]]:
    """(field, descending); newest first unless said otherwise."""
    if "sort" in query:
        pairs = [part.partition(":") for part in query["sort"].split(",") if part]
        order = [(key.strip(), direction.strip() or "desc") for key, _, direction in pairs]
    else:
        keys = query.get("sort_key", "created_at").split(",")
        directions = query.get("sort_dir", "desc").split(",")
        directions += directions[-1:] * (len(keys) - len(directions))
        order = list(zip(keys, directions, strict=False))
    order = [(OTHER_NAMES.get(key, key), direction) for key, direction in order]
    for key, direction in order:
        if key not in known:
            raise Fault(400, f"Invalid input for sort: '{key}' cannot be sorted by.")
        if direction not in {"asc", "desc"}:
            raise Fault(400, f"Invalid input for sort: '{direction}' is neither asc nor desc.")
    return [(key, direction == "desc") for key, direction in order]


def answer(
    call: Call,
    name: str,
    docs: Sequence[Doc],
    view: Callable[[Doc], Doc],
    *,
    sort_keys: frozenset[str],
    version: int,
) -> Doc:
    """The list document of one page, with the way to the next one."""
    query = call.query
    limit = read_limit(query.get("limit"), MOST, MOST)
    offset = read_limit(query.get("offset"), 0, 1 << 62) or 0
    # Reversed first, because a stable sort keeps the later of two created at the same moment first.
    ordered = sorted_by(list(reversed(docs)), _order(query, sort_keys))[offset:]
    shown, more = page(ordered, limit, query.get("marker"))
    body: Doc = {name: [view(doc) for doc in shown]}
    if more and shown:
        following = {**query, "marker": shown[-1]["id"]}
        following.pop("offset", None)
        url = call.request.rel_url.with_query(following)
        body[f"{name}_links"] = [{"rel": "next", "href": f"{call.base_url}{url}"}]
    if version >= COUNTED_SINCE and truth(query.get("with_count", "false")):
        body["count"] = len(docs)
    return body

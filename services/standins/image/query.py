"""The image service's list: filters, sorting, pages.

Owns: what a query string means. May not: know who asks. Crash story: pure functions.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from multidict import MultiMapping

from services.standins.image.records import view
from services.standins.listing import page, read_limit, sorted_by
from services.standins.store import Doc
from services.standins.web import Fault

DEFAULT_LIMIT, MOST = 25, 1000
CONTROLS = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden"}
)
TIMES = frozenset({"created_at", "updated_at"})
LISTS = frozenset({"id", "name", "status", "container_format", "disk_format"})
"""Fields that take `in:a,b`."""
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
SORT_KEYS = frozenset(
    {"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}
)


def matching(docs: Iterable[Doc], query: MultiMapping[str]) -> list[Doc]:
    """Documents for which every filter holds; an unknown name filters by that property."""
    tests = [
        _test(n, v) for n in dict.fromkeys(query) if n not in CONTROLS for v in query.getall(n)
    ]
    hidden = _boolean("os_hidden", query.get("os_hidden", "false"))
    shown = ((doc, view(doc)) for doc in docs if doc["os_hidden"] == hidden)
    return [doc for doc, record in shown if all(test(record) for test in tests)]


def _test(name: str, text: str) -> Callable[[Doc], bool]:
    if name == "tag":
        return lambda record: text in record["tags"]
    if name in {"size_min", "size_max"}:
        bound = _number(name, text)
        compare = operator.ge if name == "size_min" else operator.le
        return lambda record: record["size"] is not None and compare(record["size"], bound)
    if name in {"min_disk", "min_ram", "size", "virtual_size"}:
        number = _number(name, text)
        return lambda record: bool(record[name] == number)
    if name == "protected":
        wanted = _boolean(name, text)
        return lambda record: bool(record[name] == wanted)
    if name in TIMES:
        return _time_test(name, text)
    if name in LISTS and text.startswith("in:"):
        values = {value.strip('"') for value in text[3:].split(",")}
        return lambda record: record[name] in values
    if name in LISTS and text.startswith("eq:"):
        return lambda record: record[name] == text[3:]
    return lambda record: record.get(name) == text


def _time_test(name: str, text: str) -> Callable[[Doc], bool]:
    word, separator, rest = text.partition(":")
    if not separator or word not in COMPARISONS:
        word, rest = "eq", text
    compare, wanted = COMPARISONS[word], _moment(name, rest)
    return lambda record: compare(_moment(name, record[name]), wanted)


def _moment(name: str, text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Fault(400, f"Invalid input for {name}: '{text}' is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise Fault(400, f"Invalid input for {name}: '{text}' is not a whole number of 0 or more")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise Fault(400, f"Invalid input for {name}: '{text}' is neither true nor false")
    return text.lower() == "true"


def _order(query: MultiMapping[str]) -> list[tuple[str, bool]]:
    """(field, descending); newest first is the order in which the images come."""
    if "sort" in query:
        pairs = [part.partition(":") for part in query["sort"].split(",") if part]
        keys = [(key, direction or "desc") for key, _, direction in pairs]
    else:
        names = query.getall("sort_key", [])
        directions = query.getall("sort_dir", [])
        if len(directions) == 1:
            directions *= max(len(names), 1)
        names = names or (["created_at"] if directions else [])
        directions = directions or ["desc"] * len(names)
        if len(names) != len(directions):
            raise Fault(400, "The numbers of sort_key and sort_dir differ")
        keys = list(zip(names, directions, strict=True))
    for key, direction in keys:
        if key not in SORT_KEYS:
            raise Fault(400, f"Invalid input for sort_key: '{key}' cannot be sorted by")
        if direction not in {"asc", "desc"}:
            raise Fault(400, f"Invalid input for sort_dir: '{direction}' is neither asc nor desc")
    return [(key, direction == "desc") for key, direction in keys]


def answer(docs: list[Doc], query: MultiMapping[str]) -> Doc:
    """The list document: one page, and where the next one is."""
    limit = read_limit(query.get("limit"), DEFAULT_LIMIT, MOST)
    order = _order(query)
    if order == [("created_at", False)]:
        # Stamps have whole seconds; the order of creation is exact.
        docs.reverse()
    shown, more = page(sorted_by(docs, order), limit, query.get("marker"))
    plain = [(name, value) for name, value in query.items() if name != "marker"]
    first = f"?{urlencode(plain)}" if plain else ""
    body: Doc = {
        "images": [view(doc) for doc in shown],
        "first": f"/v2/images{first}",
        "schema": "/v2/schemas/images",
    }
    if more and shown:
        body["next"] = f"/v2/images?{urlencode([*plain, ('marker', shown[-1]['id'])])}"
    return body

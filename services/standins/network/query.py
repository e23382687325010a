"""The network service's query language: filters, `fields`, sorting, paging.

Owns: what a query string means for a list. May not: know who asks.
Crash story: pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from multidict import MultiMapping

from services.standins.listing import page, read_limit, sorted_by
from services.standins.store import Doc
from services.standins.web import Fault

CONTROLS = frozenset(
    {"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "verbose", "fixed_ips"}
)
TAG_FILTERS: dict[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda wanted, has: wanted <= has,
    "tags-any": lambda wanted, has: bool(wanted & has),
    "not-tags": lambda wanted, has: not wanted <= has,
    "not-tags-any": lambda wanted, has: not wanted & has,
}
TRUE_WORDS = frozenset({"true", "1", "t", "yes"})


def matching(docs: Iterable[Doc], query: MultiMapping[str]) -> list[Doc]:
    """Documents for which every filter names one of its values; unknown names do not filter."""
    found = list(docs)
    for name in dict.fromkeys(query):
        if name in CONTROLS:
            continue
        values = query.getall(name)
        if (by_tags := TAG_FILTERS.get(name)) is not None:
            wanted = {tag for value in values for tag in value.split(",")}
            found = [d for d in found if by_tags(wanted, set(d["tags"]))]
        else:
            found = [d for d in found if name not in d or _matches(d[name], values)]
    return found


def _matches(actual: object, values: Sequence[str]) -> bool:
    if isinstance(actual, bool):
        return any((value.lower() in TRUE_WORDS) == actual for value in values)
    if isinstance(actual, list):
        return any(value in actual for value in values)
    if actual is None:
        return any(value in {"", "null", "None"} for value in values)
    return str(actual) in values


def matching_fixed_ips(ports: Iterable[Doc], query: MultiMapping[str]) -> list[Doc]:
    """Ports with one address that fits all of `fixed_ips=key=value` (values of one key: any)."""
    wanted: dict[str, list[str]] = {}
    for pair in query.getall("fixed_ips", []):
        key, separator, value = pair.partition("=")
        if not separator or key not in {"ip_address", "ip_address_substr", "subnet_id"}:
            raise Fault(
                400,
                f"Invalid input for fixed_ips: '{pair}' is not ip_address=, ip_address_substr= or"
                " subnet_id= with a value",
                "HTTPBadRequest",
            )
        wanted.setdefault(key, []).append(value)
    if not wanted:
        return list(ports)
    return [p for p in ports if any(_fits(fixed, wanted) for fixed in p["fixed_ips"])]


def _fits(fixed: Doc, wanted: dict[str, list[str]]) -> bool:
    for key, values in wanted.items():
        if key == "ip_address_substr":
            if not any(value in fixed["ip_address"] for value in values):
                return False
        elif fixed[key] not in values:
            return False
    return True


def arrange(docs: Sequence[Doc], query: MultiMapping[str]) -> tuple[list[Doc], bool]:
    """One sorted page, and whether there is more."""
    keys = query.getall("sort_key", [])
    directions = query.getall("sort_dir", [])
    if directions and len(directions) != len(keys):
        raise Fault(400, "The number of sort_keys and sort_dirs must be the same", "HTTPBadRequest")
    order = [(k, d == "desc") for k, d in zip(keys, directions or ["asc"] * len(keys), strict=True)]
    limit = read_limit(query.get("limit"), None, 10_000)
    return page(sorted_by(docs, order), limit or None, query.get("marker"))


def cut(view: Doc, query: MultiMapping[str]) -> Doc:
    """Only the `fields` asked for."""
    fields = query.getall("fields", [])
    return {name: view[name] for name in fields if name in view} if fields else view

"""Microversions of the Placement API: 1.n is the integer n.

Owns: the names of those that change what is shown. May not: know how. Crash story: none, a table.
"""

from __future__ import annotations

import re

from services.api.identifiers import parse_number
from services.api.placement.errors import PlacementError

MAJOR, MIN, MAX = 1, 0, 39
_HEADER = "placement"
_FORM = re.compile(r"1\.(0|[1-9][0-9]*)", re.ASCII)

AGGREGATES = 1
RESOURCE_CLASSES = 2
MEMBER_OF = 3
RESOURCES = 4
TRAITS = 6
USAGES = 9
CANDIDATES = 10
ALLOCATION_LINKS = 11
ALLOCATIONS_BY_PROVIDER = 12
NESTED = 14
CACHE_HEADERS = 15
LIMIT = 16
REQUIRED = 17
REQUIRED_OF_PROVIDERS = 18
AGGREGATES_GENERATION = 19
MEMBER_OF_CANDIDATES = 21
FORBIDDEN_TRAITS = 22
ERROR_CODES = 23
GROUP_POLICY = 25
ALL_CLASSES = 27
CONSUMER_GENERATION = 28
ROOTS = 29
TREE_OF_CANDIDATES = 31
FORBIDDEN_AGGREGATES = 32
NAMED_GROUPS = 33
MAPPINGS = 34
ROOT_REQUIRED = 35
SAME_SUBTREE = 36
CONSUMER_TYPES = 38
ANY_TRAITS = 39


def show(version: int) -> str:
    return f"{MAJOR}.{version}"


def requested(header: str | None) -> int:
    """The version that `OpenStack-API-Version` asks of this service; `MIN` without one."""
    for entry in reversed((header or "").split(",")):
        service, _, text = entry.strip().partition(" ")
        if service.lower() == _HEADER:
            return _read(text.strip())
    return MIN


def _read(text: str) -> int:
    if text == "latest":
        return MAX
    form = _FORM.fullmatch(text)
    if form is None and not re.fullmatch(r"\d+\.\d+", text):
        raise PlacementError(400, f"invalid version string: {text}")
    minor = form and parse_number(form[1])
    if minor is None or minor > MAX:
        raise PlacementError(
            406,
            f"Unacceptable version header: {text}",
            max_version=show(MAX),
            min_version=show(MIN),
        )
    return minor

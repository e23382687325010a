"""Extra specs `capabilities:<path>`: an attribute of the host (services/scheduler/attributes.py),
or what is found below it, fits. A spec without a scope counts when it is called like an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from services.scheduler import attributes
from services.scheduler.hosts import Flags, Hosts, Request
from services.scheduler.operators import match

_SCOPE = "capabilities"


def _wanted(request: Request) -> Iterator[tuple[list[str], str]]:
    for name, wanted in request.extra_specs.items():
        scope, *path = name.split(":")
        if not path and scope in attributes.NAMES:
            yield [scope], wanted
        elif path and scope == _SCOPE:
            yield path, wanted


def asked(request: Request) -> bool:
    return any(True for _ in _wanted(request))


def has(hosts: Hosts, request: Request) -> Flags:
    flags = hosts.everywhere()
    for path, wanted in _wanted(request):
        flags &= attributes.where(hosts, path, partial(_fits, wanted))
    return flags


def _fits(wanted: str, value: object) -> bool:
    return match(None if value is None else str(value), wanted)

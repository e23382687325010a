"""Hosts that run guests of the image's architecture, hypervisor type and mode, with a hypervisor of
a version it asks for."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from services.scheduler.hosts import Flags, Hosts, Kind, Request

_NAMES = {
    "hw_architecture": "architecture",
    "img_hv_type": "hypervisor_type",
    "hw_vm_mode": "vm_mode",
    "img_hv_requested_version": "hypervisor_version_requires",
}
"""Properties that count, with the names they had once."""
_ALIASES = {"amd64": "x86_64", "x86-64": "x86_64", "i386": "i686", "i486": "i686", "i586": "i686"}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_TERM = re.compile(r"\s*(<=|>=|!=|==|=|<|>)\s*(\d+(?:\.\d+)*)\s*")


def _wanted(request: Request) -> dict[str, str]:
    properties: Mapping[str, Any] = request.image_properties
    found = {name: properties.get(name) or properties.get(old) for name, old in _NAMES.items()}
    found["hw_architecture"] = (
        found["hw_architecture"] or request.settings.image_properties_default_architecture
    )
    return {name: str(value).lower() for name, value in found.items() if value}


def asked(request: Request) -> bool:
    return bool(_wanted(request))


def supports(hosts: Hosts, request: Request) -> Flags:
    wanted = _wanted(request)
    if not wanted:
        return hosts.everywhere()
    version = wanted.pop("img_hv_requested_version", None)
    values = {_canonical(value) for value in wanted.values()}

    def accepts(kind: Kind) -> bool:
        return any(
            values <= {_canonical(part.lower()) for part in supported}
            for supported in kind.supported_instances
        ) and (version is None or satisfies(kind.hypervisor_version, version))

    return hosts.of_kinds(accepts)


def _canonical(architecture: str) -> str:
    return _ALIASES.get(architecture, architecture)


def satisfies(version: int, predicate: str) -> bool:
    """Whether a hypervisor version (major x 1,000,000 + minor x 1,000 + patch; 0: unknown, which
    satisfies all) is as in ">=6.0, <7.2"; what cannot be read satisfies nothing."""
    if not version:
        return True
    actual = (version // 1_000_000, version // 1000 % 1000, version % 1000)
    for term in predicate.split(","):
        read = _TERM.fullmatch(term)
        if read is None:
            return False
        numbers = tuple(int(part) for part in read[2].split("."))
        width = max(len(numbers), len(actual))
        left, right = (part + (0,) * (width - len(part)) for part in (actual, numbers))
        if not _COMPARISONS[read[1]](left, right):
            return False
    return True

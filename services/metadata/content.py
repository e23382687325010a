"""What is at a path, for a guest with these facts.

Owns: how the two forms lie side by side: /openstack/<version>/<document> and, for everything else,
the EC2 form. May not: know who asks; do I/O. Crash story: none; pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.domain.guest_data import ec2, openstack
from common.domain.guest_data.facts import GuestFacts
from common.errors import NotFound

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"
OPENSTACK = "openstack"
PASSWORD = "password"  # noqa: S105 - a path


@dataclass(frozen=True)
class Content:
    body: bytes
    kind: str = TEXT


def _lines(*names: str) -> Content:
    return Content("\n".join(names).encode())


def versions() -> Content:
    """At the root: those of the EC2 form, which is the same for everybody."""
    return _lines(*ec2.VERSIONS, ec2.LATEST)


def is_password(segments: list[str]) -> bool:
    """Whether this is where a guest reports its password."""
    if len(segments) != 3 or segments[0] != OPENSTACK or segments[2] != PASSWORD:
        return False
    return openstack.resolve(segments[1]) >= openstack.PASSWORD


def content(facts: GuestFacts, segments: list[str], seed: bytes) -> Content:
    """Raises `NotFound`."""
    if segments[0] == OPENSTACK:
        return _openstack(facts, segments[1:], seed)
    return _ec2(facts, segments)


def _openstack(facts: GuestFacts, segments: list[str], seed: bytes) -> Content:
    if not segments:
        return _lines(*openstack.VERSIONS, openstack.LATEST)
    documents = openstack.documents(facts, segments[0], seed)
    if len(segments) == 1:
        reports = openstack.resolve(segments[0]) >= openstack.PASSWORD
        return _lines(*documents, *([PASSWORD] if reports else []))
    if len(segments) > 2 or segments[1] not in documents:
        raise _nothing(segments)
    return Content(documents[segments[1]], JSON if segments[1].endswith(".json") else BYTES)


def _ec2(facts: GuestFacts, segments: list[str]) -> Content:
    version, *names = segments
    parts = ec2.whole(facts, version)
    if not names:
        return _lines(*(n if isinstance(p, bytes) else f"{n}/" for n, p in parts.items()))
    found = parts.get(names[0])
    if isinstance(found, bytes):
        if len(names) > 1:
            raise _nothing(segments)
        return Content(found, BYTES)
    here: ec2.Tree | str | None = found
    for name in names[1:]:
        here = here.get(name) if isinstance(here, dict) and name != ec2.LABEL else None
    if here is None:
        raise _nothing(segments)
    return Content((here if isinstance(here, str) else ec2.listing(here)).encode())


def _nothing(segments: list[str]) -> NotFound:
    return NotFound(f"there is nothing at /{'/'.join(segments)}")

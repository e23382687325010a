"""The OpenStack form: /openstack/<version>/<document>.

Owns: the versions, which documents each has, and which fields of meta_data.json each has.
May not: change what a version that was published says.
Crash story: none; tables and pure functions.

A version stands for all that was added up to it; guests ask for the newest that they know.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from common.domain.guest_data.devices import devices
from common.domain.guest_data.facts import GuestFacts
from common.domain.guest_data.network_data import network_data
from common.errors import NotFound

FIRST = "2012-08-10"
RANDOM_SEED = PASSWORD = "2013-04-04"  # noqa: S105 - a version
VENDOR_DATA = "2013-10-17"
NETWORK_DATA = PROJECT_ID = "2015-10-15"
DEVICES = "2016-06-30"
VENDOR_DATA2 = "2016-10-06"
VLANS = "2017-02-22"
TRUSTED_VFS = "2018-08-27"
DEDICATED_CPUS = "2020-10-14"
SHARES = "2025-04-04"

VERSIONS = (
    FIRST,
    RANDOM_SEED,
    VENDOR_DATA,
    NETWORK_DATA,
    DEVICES,
    VENDOR_DATA2,
    VLANS,
    TRUSTED_VFS,
    DEDICATED_CPUS,
    SHARES,
)
LATEST = "latest"

SEED_BYTES = 512


@dataclass(frozen=True)
class OwnFile:
    """An injected file: where it goes in the guest, and under which name its content is served."""

    path: str
    content_path: str


@dataclass(frozen=True)
class Once:
    """What is said with the first boot only, on a config drive; never by the metadata service."""

    files: Sequence[OwnFile] = ()
    admin_password: str | None = None


NOTHING_ONCE = Once()


def resolve(version: str) -> str:
    """The version meant by the name of a directory; raises `NotFound`."""
    if version == LATEST:
        return VERSIONS[-1]
    if version not in VERSIONS:
        raise NotFound(f"there is no version {version!r}")
    return version


def _keys(facts: GuestFacts) -> list[dict[str, str]] | None:
    if facts.key_name is None or facts.public_key is None:
        return None
    kind = "x509" if facts.public_key.startswith("-----BEGIN CERTIFICATE") else "ssh"
    return [{"name": facts.key_name, "type": kind, "data": facts.public_key}]


def _public_keys(facts: GuestFacts) -> dict[str, str] | None:
    keys = _keys(facts)
    return {key["name"]: key["data"] for key in keys} if keys else None


FIELDS: Mapping[str, tuple[str, Callable[[GuestFacts], Any]]] = {
    "uuid": (FIRST, lambda facts: facts.uuid),
    "name": (FIRST, lambda facts: facts.name),
    "hostname": (FIRST, lambda facts: facts.hostname),
    "launch_index": (FIRST, lambda facts: facts.launch_index),
    "availability_zone": (FIRST, lambda facts: facts.availability_zone),
    "meta": (FIRST, lambda facts: dict(facts.metadata) or None),
    "public_keys": (FIRST, _public_keys),
    "keys": (FIRST, _keys),
    "project_id": (PROJECT_ID, lambda facts: facts.project_id),
    "devices": (DEVICES, lambda facts: devices(facts.devices)),
    "dedicated_cpus": (DEDICATED_CPUS, lambda facts: list(facts.dedicated_cpus)),
}
"""Of meta_data.json: since when, and its value; None: not there. With `random_seed`, which is new
each time, and what `Once` has."""


def meta_data(facts: GuestFacts, version: str, seed: bytes, once: Once = NOTHING_ONCE) -> bytes:
    said = {
        name: value
        for name, (since, make) in FIELDS.items()
        if since <= version and (value := make(facts)) is not None
    }
    if version >= RANDOM_SEED:
        said["random_seed"] = base64.b64encode(seed).decode()
    if once.files:
        said["files"] = [{"path": f.path, "content_path": f.content_path} for f in once.files]
    if once.admin_password is not None:
        said["admin_pass"] = once.admin_password
    return orjson.dumps(said)


def user_data(facts: GuestFacts) -> bytes | None:
    """As the user meant it."""
    return None if facts.user_data is None else decoded(facts.user_data)


def decoded(user_data: str) -> bytes:
    """What is no base64 is given as it is."""
    try:
        return base64.b64decode("".join(user_data.split()), validate=True)
    except binascii.Error:
        return user_data.encode()


def documents(
    facts: GuestFacts, version: str, seed: bytes, once: Once = NOTHING_ONCE
) -> dict[str, bytes]:
    """Every document of the directory `version`, in the order in which it is listed."""
    resolved = resolve(version)
    made: dict[str, tuple[str, bytes | None]] = {
        "meta_data.json": (FIRST, meta_data(facts, resolved, seed, once)),
        "user_data": (FIRST, user_data(facts)),
        "vendor_data.json": (VENDOR_DATA, orjson.dumps(facts.vendor_data)),
        "network_data.json": (NETWORK_DATA, orjson.dumps(network_data(facts.links))),
        "vendor_data2.json": (VENDOR_DATA2, orjson.dumps(facts.vendor_data2)),
    }
    return {
        name: content
        for name, (since, content) in made.items()
        if since <= resolved and content is not None
    }

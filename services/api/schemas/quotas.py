"""What may be asked about and of quotas, and which resources a version knows."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, integer, record, wrapped
from services.api.schemas.query import ANY, closed_from

_ALWAYS = ("instances", "cores", "ram", "metadata_items", "key_pairs")
_GROUPS = ("server_groups", "server_group_members")
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_NETWORK = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
"""Kept for old clients and enforced by nobody; the network service has the real ones."""

_LIMIT = integer(-1)

set_query = closed_from(versions.UNKNOWN_KEYS_REFUSED, user_id=ANY)


def _files(v: int) -> tuple[str, ...]:
    return _FILES if v < versions.PERSONALITY_GONE else ()


def set_names(v: int) -> tuple[str, ...]:
    """Resources of a quota set."""
    return (*_ALWAYS, *_GROUPS, *_files(v), *(_NETWORK if v < versions.NETWORK_QUOTAS_GONE else ()))


def class_names(v: int, *, accepted: bool = False) -> tuple[str, ...]:
    """Resources of a quota class as shown; `accepted`: as it may be set, which old clients may for
    server groups as well."""
    groups = _GROUPS if accepted or v >= versions.QUOTA_CLASS_GROUPS else ()
    network = _NETWORK if v < versions.QUOTA_CLASS_NETWORKS_GONE else ()
    return (*_ALWAYS, *groups, *_files(v), *network)


def update_set(v: int) -> Schema:
    properties = dict.fromkeys(set_names(v), _LIMIT)
    return wrapped("quota_set", record({**properties, "force": BOOLEAN}))


def update_class(v: int) -> Schema:
    return wrapped("quota_class_set", record(dict.fromkeys(class_names(v, accepted=True), _LIMIT)))

"""Query parameters of server lists, per microversion.

Owns: which parameters exist from which version, and which sort keys.
May not: know who may use them; that is services/api/servers/listing.py. Crash story: none.
"""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import TIME
from services.api.schemas.query import ANY, LIMIT, many, once, parameters

_REGEX: Schema = {"type": "string", "format": "regex"}

_REGEX_NAMES = (
    "access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive",
    "created_at", "description", "display_description", "display_name", "flavor", "hostname", "ip",
    "ip6", "kernel_id", "key_name", "launched_at", "locked_by", "name", "node", "power_state",
    "progress", "ramdisk_id", "reservation_id", "root_device_name", "terminated_at",
)  # fmt: skip
_PLAIN_NAMES = (
    "all_tenants", "block_device_mapping", "deleted", "host", "image", "image_ref", "info_cache",
    "launch_index", "marker", "metadata", "pci_devices", "project_id", "security_groups",
    "services", "soft_deleted", "sort_dir", "status", "system_metadata", "task_state", "tenant_id",
    "user_id", "uuid", "vm_state",
)  # fmt: skip
_TAG_NAMES = ("tags", "tags-any", "not-tags", "not-tags-any")

SORT_KEYS = (
    "access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive",
    "created_at", "display_description", "display_name", "host", "hostname", "image_ref",
    "instance_type_id", "kernel_id", "key_name", "launch_index", "launched_at", "locked_by", "node",
    "power_state", "progress", "project_id", "ramdisk_id", "root_device_name", "task_state",
    "terminated_at", "updated_at", "user_id", "uuid", "vm_state",
)  # fmt: skip
IGNORED_SORT_KEYS = (
    "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device",
    "deleted", "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id",
    "key_data", "launched_on", "locked", "memory_mb", "os_type", "reservation_id", "root_gb",
    "shutdown_terminate", "user_data", "vcpus", "vm_mode",
)  # fmt: skip
"""Accepted and dropped below 2.75."""


def sort_keys(v: int) -> list[str]:
    keys = [*SORT_KEYS]
    if v >= versions.LOCKED_FILTER:
        keys.append("locked")
    if v < versions.UNKNOWN_KEYS_REFUSED:
        keys += [key for key in IGNORED_SORT_KEYS if key not in keys]
    return keys


def listing(v: int) -> Schema:
    """GET /servers and GET /servers/detail."""
    properties: dict[str, Schema] = {
        **dict.fromkeys(_REGEX_NAMES, _REGEX),
        **dict.fromkeys(_PLAIN_NAMES, ANY),
        "limit": LIMIT,
        "changes-since": TIME,
        "sort_key": {"type": "string", "enum": sort_keys(v)},
    }
    if v >= versions.SERVER_TAGS:
        properties |= dict.fromkeys(_TAG_NAMES, _REGEX)
    if v >= versions.CHANGES_BEFORE:
        properties["changes-before"] = TIME
    if v >= versions.LOCKED_FILTER:
        properties["locked"] = ANY
    known = {name: many(schema) for name, schema in properties.items()}
    schema = parameters(known, closed=v >= versions.UNKNOWN_KEYS_REFUSED)
    return {**schema, "patternProperties": {"^_": many(ANY)}}


def instance_actions(v: int) -> Schema:
    """GET /servers/{id}/os-instance-actions."""
    if v < versions.ACTIONS_PAGED:
        return {"type": "object"}
    properties = {"limit": LIMIT, "marker": ANY, "changes-since": TIME}
    if v >= versions.CHANGES_BEFORE:
        properties["changes-before"] = TIME
    return parameters({name: once(s) for name, s in properties.items()}, closed=True)

"""What the limits of a project look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.db.stores.quotas import UNLIMITED, Limits, Usage
from services.api import versions
from services.api.versions import before
from services.api.views.fields import Field, Getter, View

_FILES_UNTIL = before(versions.PERSONALITY_GONE)
_NETWORK_UNTIL = before(versions.NETWORK_QUOTAS_GONE)


@dataclass(frozen=True)
class Standing:
    """A project's limits and what it has."""

    limits: Limits
    usage: Usage


def _limit(name: str) -> Getter:
    return lambda standing, _request: standing.limits.get(name, UNLIMITED)


def _constant(value: Any) -> Getter:
    return lambda _standing, _request: value


ABSOLUTE = View(
    [
        Field("maxTotalInstances", _limit("instances")),
        Field("maxTotalCores", _limit("cores")),
        Field("maxTotalRAMSize", _limit("ram")),
        Field("maxTotalKeypairs", _limit("key_pairs")),
        Field("maxServerMeta", _limit("metadata_items")),
        Field("maxServerGroups", _limit("server_groups")),
        Field("maxServerGroupMembers", _limit("server_group_members")),
        Field("maxImageMeta", _limit("metadata_items"), until=before(versions.IMAGE_METADATA_GONE)),
        Field("maxPersonality", _limit("injected_files"), until=_FILES_UNTIL),
        Field(
            "maxPersonalitySize",
            _limit("injected_file_content_bytes"),
            until=_FILES_UNTIL,
        ),
        Field("maxSecurityGroups", _limit("security_groups"), until=_NETWORK_UNTIL),
        Field("maxSecurityGroupRules", _limit("security_group_rules"), until=_NETWORK_UNTIL),
        Field("maxTotalFloatingIps", _limit("floating_ips"), until=_NETWORK_UNTIL),
        Field("totalInstancesUsed", lambda standing, _: standing.usage.instances),
        Field("totalCoresUsed", lambda standing, _: standing.usage.cores),
        Field("totalRAMUsed", lambda standing, _: standing.usage.ram),
        Field("totalServerGroupsUsed", lambda standing, _: standing.usage.server_groups),
        Field("totalSecurityGroupsUsed", _constant(0), until=_NETWORK_UNTIL),
        Field("totalFloatingIpsUsed", _constant(0), until=_NETWORK_UNTIL),
    ]
)

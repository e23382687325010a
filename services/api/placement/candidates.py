"""Allocation candidates: hosts that could hold an amount of resources now.

Owns: how each version says them. May not: promise anything; schedulers choose and claims decide.
Crash story: reads only.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import inventories as store
from common.db.stores.inventories import Provider
from services.api.identifiers import parse_number
from services.api.placement import groups, versions
from services.api.placement.errors import PlacementError
from services.api.placement.groups import Groups
from services.api.placement.query import Ask


async def index(ask: Ask) -> Any:
    ask.only(
        "resources",
        *groups.suffixes(ask),
        limit=versions.LIMIT,
        required=versions.REQUIRED,
        member_of=versions.MEMBER_OF_CANDIDATES,
        group_policy=versions.GROUP_POLICY,
        in_tree=versions.TREE_OF_CANDIDATES,
        root_required=versions.ROOT_REQUIRED,
        same_subtree=versions.SAME_SUBTREE,
    )
    conditions, limit = groups.read(ask), ask.one("limit")
    most = None if limit is None else parse_number(limit)
    if limit is not None and not most:
        raise PlacementError(400, f"limit must be a positive number, not '{limit}'")
    found = [
        provider
        for provider in await store.providers(ask.pool, ask.ratios)
        if conditions.suits(provider)
    ][:most]
    return {
        "allocation_requests": [_request(ask, provider, conditions) for provider in found],
        "provider_summaries": {
            str(provider.uuid): _summary(ask, provider, conditions) for provider in found
        },
    }


def _request(ask: Ask, provider: Provider, wanted: Groups) -> dict[str, Any]:
    if ask.v < versions.ALLOCATIONS_BY_PROVIDER:
        named = {"resource_provider": {"uuid": provider.uuid}, "resources": wanted.amounts}
        return {"allocations": [named]}
    shown: dict[str, Any] = {"allocations": {str(provider.uuid): {"resources": wanted.amounts}}}
    if ask.v >= versions.MAPPINGS:
        shown["mappings"] = {suffix: [provider.uuid] for suffix in wanted.by_suffix}
    return shown


def _summary(ask: Ask, provider: Provider, wanted: Groups) -> dict[str, Any]:
    names = provider.inventories if ask.v >= versions.ALL_CLASSES else wanted.amounts
    shown: dict[str, Any] = {
        "resources": {
            name: {
                "capacity": provider.inventories[name].capacity,
                "used": provider.inventories[name].used,
            }
            for name in names
        }
    }
    if ask.v >= versions.REQUIRED:
        shown["traits"] = sorted(provider.traits)
    if ask.v >= versions.ROOTS:
        shown |= {"parent_provider_uuid": None, "root_provider_uuid": provider.uuid}
    return shown

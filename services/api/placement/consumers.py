"""Consumers: the servers, and what they hold of hosts.

Owns: how claims are told as allocations and usages. May not: write. Crash story: reads only.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import inventories as store
from services.api.placement import versions
from services.api.placement.errors import PlacementError
from services.api.placement.query import Ask

_TYPE = "INSTANCE"


async def allocations(ask: Ask) -> Any:
    """Of one consumer; one that holds nothing is not told from one there is not."""
    uuid = ask.uuid("consumer_uuid", "consumer")
    consumer = await store.consumer(ask.pool, uuid)
    if consumer is None:
        return {"allocations": {}}
    shown: dict[str, Any] = {
        "allocations": {
            str(each.provider): {"generation": each.generation, "resources": each.amounts}
            for each in consumer.allocations
        }
    }
    if ask.v >= versions.ALLOCATIONS_BY_PROVIDER:
        shown |= {"project_id": consumer.project_id, "user_id": consumer.user_id}
    if ask.v >= versions.CONSUMER_GENERATION:
        shown["consumer_generation"] = consumer.generation
    if ask.v >= versions.CONSUMER_TYPES:
        shown["consumer_type"] = _TYPE
    return shown


async def usages(ask: Ask) -> Any:
    """Of a project, or of one user in it."""
    ask.only("project_id", "user_id", consumer_type=versions.CONSUMER_TYPES)
    project_id, asked_type = ask.one("project_id"), ask.one("consumer_type")
    if project_id is None:
        raise PlacementError(400, "'project_id' is a required property")
    consumers, used = await store.used_by(ask.pool, project_id, ask.one("user_id"))
    if ask.v < versions.CONSUMER_TYPES:
        return {"usages": used}
    if asked_type not in {None, "all", _TYPE} or not consumers:
        return {"usages": {}}
    group = "all" if asked_type == "all" else _TYPE
    return {"usages": {group: {"consumer_count": consumers, **used}}}

"""What a question is about: the message, and what the database knows of the servers it names.

Owns: reading hints, and where the members of the server's group are. May not: choose.
Crash story: reads only. Groups are read for each question: the next claim of a member is judged by
what is true then, and a no must be true.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog

from common.config.scheduler import SchedulerSettings
from common.db.pool import Pool
from common.db.stores import server_groups
from common.db.stores.placement import hosts_of
from common.db.stores.server_groups import GroupPlacement
from common.domain.requested import requested
from common.messages.scheduler import SelectHost
from services.scheduler.hosts import Group, Request

log = structlog.get_logger(__name__)


def hinted_uuids(hint: Any) -> list[UUID]:
    """A hint names one server or a list of them; what is no UUID names none."""
    named: Iterable[Any] = hint if isinstance(hint, list) else [hint]
    found = []
    for name in named:
        try:
            found.append(UUID(str(name)))
        except ValueError:
            log.info("hint_is_no_uuid", hint=str(name)[:100])
    return found


async def read_group(pool: Pool, question: SelectHost) -> GroupPlacement | None:
    if question.server_group is None:
        return None
    return await server_groups.placement(pool, UUID(question.server_group))


async def read_request(pool: Pool, question: SelectHost, settings: SchedulerSettings) -> Request:
    """All but the group, which is added when promises are known."""
    hints = question.scheduler_hints
    same, different = hints.get("same_host"), hints.get("different_host")
    apart = await hosts_of(pool, hinted_uuids(different)) if different else frozenset()
    extra_specs = question.flavor.get("extra_specs") or {}
    return Request(
        amounts=(question.vcpus, question.memory_mib, question.disk_gib),
        settings=settings,
        project_id=question.project_id,
        flavor_name=question.flavor.get("name", ""),
        extra_specs=extra_specs,
        image_id=question.image_id,
        image_properties=question.image_properties,
        hints=hints,
        requested=requested(
            extra_specs, question.image_properties, vcpus=0, memory_mib=0, disk_gib=0
        ),
        availability_zone=question.availability_zone,
        force_host=question.force_host,
        requested_host=question.requested_host,
        exclude_hosts=frozenset(question.exclude_hosts),
        same_hosts=await hosts_of(pool, hinted_uuids(same)) if same else None,
        different_hosts=apart,
    )


def group_for(
    placed: GroupPlacement | None, server: UUID, promised: Iterable[tuple[UUID, str]]
) -> Group | None:
    """The group as `server` sees it: the others where they have claims, and those without one where
    they are promised room."""
    if placed is None:
        return None
    known = {member for member, _ in placed.places}
    places = placed.places | {(member, host) for member, host in promised if member not in known}
    others: dict[str, int] = {}
    for member, host in places:
        if member != server:
            others[host] = others.get(host, 0) + 1
    return Group(placed.policy, placed.max_per_host, others)

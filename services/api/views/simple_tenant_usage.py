"""How usage looks.

Owns: what projects and their servers show of a period. May not: count; the store does.
Crash story: pure functions.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from common.db.stores.usage import Period, ProjectUsage, ServerUsage
from common.domain.states import VmState
from services.api.views.times import zoneless

_TERMINATED = "terminated"


def project(usage: ProjectUsage, period: Period) -> dict[str, Any]:
    return {
        "tenant_id": usage.project_id,
        "start": zoneless(period.since),
        "stop": zoneless(period.until),
        "total_hours": usage.hours,
        "total_vcpus_usage": usage.vcpu_hours,
        "total_memory_mb_usage": usage.memory_mib_hours,
        "total_local_gb_usage": usage.local_gib_hours,
    }


def server(usage: ServerUsage, period: Period, now: dt.datetime) -> dict[str, Any]:
    gone = usage.ended_at is not None or usage.vm_state == VmState.SOFT_DELETED
    lived = (usage.ended_at or now) - usage.launched_at
    return {
        "instance_id": str(usage.uuid),
        "name": usage.name,
        "tenant_id": usage.project_id,
        "flavor": usage.flavor or "",
        "vcpus": usage.vcpus,
        "memory_mb": usage.memory_mib,
        "local_gb": usage.local_gib,
        "hours": usage.hours_in(period),
        "started_at": zoneless(usage.launched_at),
        "ended_at": zoneless(usage.ended_at),
        "state": _TERMINATED if gone else usage.vm_state,
        "uptime": max(0, int(lived.total_seconds())),
    }

"""What hypervisors look like."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson

from common.db.stores.hypervisors import Hypervisor, Statistics
from services.api.request import Request
from services.api.views.fields import Field, View, attribute

SIZES_UNTIL = 87
"""Later clients ask placement for sizes."""


def _service(node: Hypervisor, request: Request) -> dict[str, Any]:
    service_id = node.service_uuid if request.v >= 53 else node.service_number
    return {"id": service_id, "host": node.host, "disabled_reason": node.disabled_reason}


def _memory_used(node: Hypervisor) -> int:
    return node.memory_mib_used + node.reserved_memory_mib


def _disk_used(node: Hypervisor) -> int:
    return node.disk_gib_used + node.reserved_disk_gib


def _uptime(node: Hypervisor, request: Request) -> str | None:
    """As the command `uptime` begins. Of a host that is not up nobody knows it."""
    if node.booted_at is None or not node.up:
        return None
    now = request.app.clock.utcnow()
    up_s = max(0, int((now - node.booted_at).total_seconds()))
    return f"{now:%H:%M:%S} up {dt.timedelta(seconds=up_s)}"


_NAMED = [
    Field("id", attribute("id"), until=52),
    Field("id", attribute("uuid"), since=53),
    Field("hypervisor_hostname", attribute("hypervisor_hostname")),
    Field("state", lambda node, _request: "up" if node.up else "down"),
    Field("status", lambda node, _request: "disabled" if node.disabled else "enabled"),
]

SUMMARY = View(_NAMED)

UPTIME = View([*_NAMED, Field("uptime", _uptime)])

DETAIL = View(
    [
        *_NAMED,
        Field("host_ip", attribute("host_ip")),
        Field("hypervisor_type", attribute("hypervisor_type")),
        Field("hypervisor_version", attribute("hypervisor_version")),
        Field("service", _service),
        Field("uptime", _uptime, since=88),
        Field("cpu_info", lambda node, _: orjson.dumps(node.cpu_info).decode(), until=27),
        Field("cpu_info", attribute("cpu_info"), since=28, until=SIZES_UNTIL),
        Field("current_workload", attribute("current_workload"), until=SIZES_UNTIL),
        Field("running_vms", attribute("running_guests"), until=SIZES_UNTIL),
        Field("vcpus", attribute("vcpus"), until=SIZES_UNTIL),
        Field("vcpus_used", attribute("vcpus_used"), until=SIZES_UNTIL),
        Field("memory_mb", attribute("memory_mib"), until=SIZES_UNTIL),
        Field("memory_mb_used", lambda node, _: _memory_used(node), until=SIZES_UNTIL),
        Field(
            "free_ram_mb", lambda node, _: node.memory_mib - _memory_used(node), until=SIZES_UNTIL
        ),
        Field("local_gb", attribute("disk_gib"), until=SIZES_UNTIL),
        Field("local_gb_used", lambda node, _: _disk_used(node), until=SIZES_UNTIL),
        Field("free_disk_gb", lambda node, _: node.disk_gib - _disk_used(node), until=SIZES_UNTIL),
        Field(
            "disk_available_least",
            lambda node, _: node.disk_gib - _disk_used(node),
            until=SIZES_UNTIL,
        ),
    ]
)


def statistics(sums: Statistics) -> dict[str, int]:
    """Sums over all enabled hypervisors."""
    free_disk_gib = sums.disk_gib - sums.disk_gib_used
    return {
        "count": sums.count,
        "vcpus": sums.vcpus,
        "vcpus_used": sums.vcpus_used,
        "memory_mb": sums.memory_mib,
        "memory_mb_used": sums.memory_mib_used,
        "free_ram_mb": sums.memory_mib - sums.memory_mib_used,
        "local_gb": sums.disk_gib,
        "local_gb_used": sums.disk_gib_used,
        "free_disk_gb": free_disk_gib,
        "disk_available_least": free_disk_gib,
        "running_vms": sums.running_guests,
        "current_workload": sums.current_workload,
    }

"""What hypervisors look like."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson

from common.db.stores.hypervisors import Hypervisor, Statistics
from services.api import versions
from services.api.request import Request
from services.api.versions import before
from services.api.views.fields import Field, View, attribute

_SIZES_UNTIL = before(versions.HYPERVISOR_SIZES_GONE)
"""Later clients ask placement for sizes."""


def _service(node: Hypervisor, request: Request) -> dict[str, Any]:
    service_id = (
        node.service_uuid if request.v >= versions.HYPERVISOR_UUIDS else node.service_number
    )
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


def _cpu_info(node: Hypervisor, request: Request) -> Any:
    """An object; for older clients the text of one."""
    if request.v >= versions.CPU_INFO_OBJECT:
        return node.cpu_info
    return orjson.dumps(node.cpu_info).decode()


_NAMED = [
    Field("id", attribute("id"), until=before(versions.HYPERVISOR_UUIDS)),
    Field("id", attribute("uuid"), since=versions.HYPERVISOR_UUIDS),
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
        Field("uptime", _uptime, since=versions.HYPERVISOR_SIZES_GONE),
        Field("cpu_info", _cpu_info, until=_SIZES_UNTIL),
        Field("current_workload", attribute("current_workload"), until=_SIZES_UNTIL),
        Field("running_vms", attribute("servers"), until=_SIZES_UNTIL),
        Field("vcpus", attribute("vcpus"), until=_SIZES_UNTIL),
        Field("vcpus_used", attribute("vcpus_used"), until=_SIZES_UNTIL),
        Field("memory_mb", attribute("memory_mib"), until=_SIZES_UNTIL),
        Field("memory_mb_used", lambda node, _: _memory_used(node), until=_SIZES_UNTIL),
        Field(
            "free_ram_mb", lambda node, _: node.memory_mib - _memory_used(node), until=_SIZES_UNTIL
        ),
        Field("local_gb", attribute("disk_gib"), until=_SIZES_UNTIL),
        Field("local_gb_used", lambda node, _: _disk_used(node), until=_SIZES_UNTIL),
        Field("free_disk_gb", lambda node, _: node.disk_gib - _disk_used(node), until=_SIZES_UNTIL),
        Field(
            "disk_available_least",
            lambda node, _: node.disk_gib - _disk_used(node),
            until=_SIZES_UNTIL,
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
        "running_vms": sums.servers,
        "current_workload": sums.current_workload,
    }

"""What diagnostics look like: free in form below 2.48, the same for every driver from there.

Owns: both forms. May not: make up what nobody has measured; it is null, or left out where the form
is free. Crash story: none, pure functions.
"""

from __future__ import annotations

from typing import Any

from common.domain.network_info import vifs
from common.domain.server import Server
from common.domain.states import PowerState
from services.api import versions

_KIB_PER_MIB = 1024
_DRIVER = "libvirt"
"""The form has a closed list of drivers; this is the one whose guests ours are like."""
_NIC_COUNTERS = tuple(
    f"{way}_{what}"
    for way in ("rx", "tx")
    for what in ("octets", "errors", "drop", "packets", "rate")
)
_DISK_COUNTERS = ("read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count")


def diagnostics(server: Server, power_state: int, version: int) -> dict[str, Any]:
    """Of a guest in `power_state`."""
    state = PowerState(power_state).name.lower()
    if version < versions.DIAGNOSTICS_UNIFORM:
        return {
            "state": state,
            "vcpus": server.vcpus,
            "memory": server.memory_mib * _KIB_PER_MIB,
            "disks": len(_disks(server)),
            "nics": len(vifs(server.network_info)),
        }
    nics = [
        {"mac_address": vif["mac"], **dict.fromkeys(_NIC_COUNTERS)}
        for vif in vifs(server.network_info)
    ]
    return {
        "state": state,
        "driver": _DRIVER,
        "hypervisor": None,
        "hypervisor_os": None,
        "uptime": None,
        "config_drive": bool(server.config_drive),
        "num_cpus": server.vcpus,
        "num_nics": len(nics),
        "num_disks": len(_disks(server)),
        "memory_details": {"maximum": server.memory_mib, "used": None},
        "cpu_details": [{"id": n, "time": None, "utilisation": None} for n in range(server.vcpus)],
        "nic_details": nics,
        "disk_details": [dict.fromkeys(_DISK_COUNTERS) for _ in _disks(server)],
    }


def _disks(server: Server) -> list[int]:
    """Sizes of the disks the flavor gives it."""
    sizes = (server.root_gib, server.ephemeral_gib, server.swap_mib)
    return [size for index, size in enumerate(sizes) if index == 0 or size]

"""Which extra specs a flavor may have, from microversion 2.86 on.

Owns: the table of known keys and the kind of value each takes. Keys in no known namespace are the
operator's own and pass unseen. Any upper-case trait of a known family passes: the list of traits
grows with every release of the placement service, and a flavor that asks for one nobody has finds
no host, which says so.
May not: know what a spec does. Crash story: none, a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common.errors import InvalidInput

_GROUP = r"([a-zA-Z0-9_-]{1,64})?"
_CPUS = r"\^?\d+(-\d+|,\^?\d+)*"
_BOOLEANS = ["1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no"]


@dataclass(frozen=True)
class _Kind:
    """What a value must be; every condition that is set holds."""

    words: tuple[str, ...] = ()
    pattern: str | None = None
    integer: bool = False
    low: int | None = None
    high: int | None = None

    def refusal(self, value: str) -> str | None:
        """Why `value` will not do."""
        if self.words and value not in self.words:
            return f"'{value}' is not one of {list(self.words)}"
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return f"'{value}' does not match '{self.pattern}'"
        if not self.integer:
            return None
        try:
            number = int(value)
        except ValueError:
            return f"'{value}' is not an integer"
        if self.low is not None and number < self.low:
            return f"{number} is less than the minimum of {self.low}"
        if self.high is not None and number > self.high:
            return f"{number} is greater than the maximum of {self.high}"
        return None


class _Boolean(_Kind):
    def refusal(self, value: str) -> str | None:
        good = value.strip().lower() in _BOOLEANS
        return None if good else f"'{value}' is not a boolean"


def _one_of(words: str) -> _Kind:
    return _Kind(words=tuple(words.split()))


_TEXT = _Kind()
_BOOLEAN = _Boolean()
_INTEGER = _Kind(integer=True)
_NATURAL = _Kind(integer=True, low=0)
_POSITIVE = _Kind(integer=True, low=1)
_LEVEL = _one_of("custom high normal low")

_HW = {
    "boot_menu|cpu_realtime|ephemeral_encryption|hide_hypervisor_id|locked_memory": _BOOLEAN,
    "mem_encryption|pmu|vif_multiqueue_enabled|virtio_packed_ring": _BOOLEAN,
    "cpu_cores|cpu_max_cores|cpu_max_sockets|cpu_max_threads|cpu_sockets|cpu_threads": _POSITIVE,
    r"numa_nodes|numa_mem\.\d+": _POSITIVE,
    "serial_port_count": _NATURAL,
    "redirected_usb_ports": _Kind(integer=True, low=0, high=15),
    r"cpu_dedicated_mask|cpu_realtime_mask|numa_cpus\.\d+": _Kind(pattern=_CPUS),
    "mem_page_size": _Kind(pattern=r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"),
    "pmem": _Kind(pattern=r"[a-zA-Z0-9_]+(,[a-zA-Z0-9_]+)*,?"),
    "cpu_policy": _one_of("dedicated shared mixed"),
    "cpu_thread_policy": _one_of("prefer isolate require"),
    "emulator_threads_policy": _one_of("isolate share"),
    "ephemeral_encryption_format": _one_of("plain luks luksv2"),
    "mem_encryption_model": _one_of("amd-sev amd-sev-es amd-sev-snp intel-tdx"),
    "pci_numa_affinity_policy": _one_of("required preferred legacy socket"),
    "sound_model": _one_of("sb16 es1370 pcspk ac97 ich6 ich9 usb virtio"),
    "tpm_model": _one_of("tpm-tis tpm-crb"),
    "tpm_secret_security": _one_of("user host deployment"),
    "tpm_version": _one_of("1.2 2.0"),
    "usb_model": _one_of("none nec-xhci qemu-xhci"),
    "viommu_model": _one_of("intel smmuv3 virtio auto"),
    "watchdog_action": _one_of("none pause poweroff reset disabled"),
}
_QUOTA = {
    "(cpu|disk_io|memory|vif)_reservation|cpu_quota": _INTEGER,
    "(cpu|disk_io|memory|vif)_limit|cpu_period|cpu_shares": _NATURAL,
    "(cpu|disk_io|memory|vif)_shares_share": _NATURAL,
    "(cpu|disk_io|memory|vif)_shares_level": _LEVEL,
    "disk_(read|write|total)_(bytes|iops)_sec": _NATURAL,
    "vif_(inbound|outbound)_(average|burst|peak)": _NATURAL,
}
_RESOURCES = (
    "VCPU|PCPU|MEMORY_MB|DISK_GB|PCI_DEVICE|SRIOV_NET_VF|NUMA_SOCKET|NUMA_CORE|NUMA_THREAD"
    "|NUMA_MEMORY_MB|IPV4_ADDRESS|VGPU|VGPU_DISPLAY_HEAD|PGPU|FPGA|MEM_ENCRYPTION_CONTEXT"
    "|NET_BW_(EGR|IGR)_KILOBIT_PER_SEC|NET_PACKET_RATE_((EGR|IGR)_)?KILOPACKET_PER_SEC"
    "|CUSTOM_[A-Z0-9_]+"
)
_HOST_FACTS = (
    "aggregates|cell_uuid|(cpu|disk|ram)_allocation_ratio|current_workload|disk_available_least"
    "|disk_mb_used|failed_builds|free_disk_gb|free_disk_mb|free_ram_mb|host|host_ip"
    "|hypervisor_hostname|hypervisor_type|hypervisor_version|id|local_gb|local_gb_used|mapped"
    "|memory_mb|memory_mb_used|num_instances|num_io_ops|running_vms|service_id"
    "|total_usable_disk_gb|total_usable_ram_mb|updated|uuid|vcpus|vcpus_total|vcpus_used"
    r"|(cpu_info|instances|limits|metrics|nodename|numa_topology|pci_device_pools|pci_stats|stats"
    r"|supported_hv_specs|supported_instances)(:\w+)*"
)
_TRAITS = "(COMPUTE|CUSTOM|HW|MISC|OWNER|STORAGE)_[A-Z0-9_]+"

_NAMESPACES: dict[str, dict[str, _Kind]] = {
    "accel": {"device_profile": _TEXT},
    "aggregate_instance_extra_specs": {".+": _TEXT},
    "capabilities": {_HOST_FACTS: _TEXT},
    "hw": _HW,
    "hw_rng": {"allowed": _BOOLEAN, "rate_bytes|rate_period": _NATURAL},
    "hw_video": {"ram_max_mb": _NATURAL},
    "os": {"secure_boot": _one_of("disabled required")},
    "pci_passthrough": {"alias": _Kind(pattern=r"[^:]+:\d+(?:\s*,[^:]+:\d+)*")},
    "quota": _QUOTA,
    f"resources{_GROUP}": {_RESOURCES: _INTEGER},
    f"trait{_GROUP}": {_TRAITS: _one_of("required forbidden")},
    "vmware": {"hw_version|storage_policy": _TEXT},
}
_BARE = {
    "group_policy": _one_of("isolate none"),
    "hide_hypervisor_id": _BOOLEAN,
}


def check(key: str, value: str) -> None:
    """Raises `InvalidInput` for an unknown key in a known namespace, or a value of another kind."""
    kind = _BARE.get(key)
    namespace, colon, name = key.partition(":")
    if colon:
        known = [kinds for form, kinds in _NAMESPACES.items() if re.fullmatch(form, namespace)]
        if not known:
            return
        kind = _find(known[0], name)
        if kind is None:
            raise InvalidInput(
                f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
            )
    if kind is not None and (reason := kind.refusal(value)) is not None:
        raise InvalidInput(f"Validation failed; {reason} (extra spec '{key}')")


def _find(kinds: dict[str, _Kind], name: str) -> _Kind | None:
    for form, kind in kinds.items():
        if re.fullmatch(form, name):
            return kind
    return None

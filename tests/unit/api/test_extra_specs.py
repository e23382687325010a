"""Known extra specs and their values."""

from __future__ import annotations

import pytest

from common.errors import InvalidInput
from services.api.schemas.extra_specs import check


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hw:cpu_policy", "dedicated"),
        ("hw:numa_cpus.0", "0-3,^2"),
        ("hw:numa_mem.12", "1024"),
        ("hw:mem_page_size", "2MB"),
        ("hw:boot_menu", "True"),
        ("hw_rng:rate_bytes", "0"),
        ("resources:VCPU", "2"),
        ("resources1:CUSTOM_FPGA", "1"),
        ("resources_NET:NET_BW_EGR_KILOBIT_PER_SEC", "1"),
        ("trait:HW_CPU_X86_AVX2", "required"),
        ("trait_x:CUSTOM_GOLD", "forbidden"),
        ("quota:disk_read_bytes_sec", "10"),
        ("capabilities:cpu_info:topology:cores", ">= 4"),
        ("aggregate_instance_extra_specs:ssd", "true"),
        ("pci_passthrough:alias", "a:1, b:2"),
        ("group_policy", "none"),
        ("somebody:else", "?"),
        ("bare", "?"),
    ],
)
def test_good(key: str, value: str) -> None:
    check(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hw:cpu_policy", "Dedicated"),
        ("hw:numa_nodes", "0"),
        ("hw:numa_nodes", "many"),
        ("hw:redirected_usb_ports", "16"),
        ("hw:boot_menu", "maybe"),
        ("hw:unheard_of", "1"),
        ("hw:cpu_policy:more", "shared"),
        ("resources:COFFEE", "1"),
        ("trait:HW_CPU_X86_AVX2", "please"),
        ("trait:COFFEE", "required"),
        ("capabilities:mood", "good"),
        ("pci_passthrough:alias", "a"),
        ("hide_hypervisor_id", "maybe"),
    ],
)
def test_bad(key: str, value: str) -> None:
    with pytest.raises(InvalidInput, match="Validation failed"):
        check(key, value)

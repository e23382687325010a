"""What extra specs and image properties make of a flavor's sizes."""

from __future__ import annotations

import pytest

from common.domain.requested import Requested, requested


def of(image: dict[str, str] | None = None, /, **specs: str) -> Requested:
    named = {name.replace("__", ":"): value for name, value in specs.items()}
    return requested(named, image or {}, vcpus=2, memory_mib=1024, disk_gib=10)


def test_plain() -> None:
    assert of() == Requested(2, 1024, 10)
    assert of({"os_type": "linux"}, hw__numa_nodes="1", quota__cpu_shares="5") == of()


def test_sizes_are_replaced_or_added_to() -> None:
    assert of(resources__VCPU="4", resources__DISK_GB="0") == Requested(4, 1024, 0)
    assert of(resources1__VCPU="3", resources_X__VCPU="1") == Requested(6, 1024, 10)
    assert of(resources__VCPU="many") == of()


@pytest.mark.parametrize(
    ("specs", "others"),
    [
        ({"resources__CUSTOM_GOLD": "1"}, {"CUSTOM_GOLD"}),
        ({"resources__CUSTOM_GOLD": "0"}, set()),
        ({"resources7__VGPU": "1"}, {"VGPU"}),
        ({"hw__cpu_policy": "dedicated"}, {"PCPU"}),
        ({"hw__cpu_policy": "mixed"}, {"PCPU"}),
        ({"hw__cpu_policy": "shared"}, set()),
        ({"hw__tpm_version": "2.0"}, {"TPM"}),
        ({"hw__mem_encryption": "True"}, {"MEM_ENCRYPTION_CONTEXT"}),
        ({"hw__mem_encryption": "false"}, set()),
        ({"accel__device_profile": "p"}, {"accelerator"}),
        ({"pci_passthrough__alias": "a:1"}, {"PCI_DEVICE"}),
        ({"resources1__VCPU": "1", "resources2__VCPU": "1", "group_policy": "none"}, set()),
        (
            {"resources1__VCPU": "1", "resources2__VCPU": "1", "group_policy": "isolate"},
            {"another provider"},
        ),
    ],
)
def test_what_no_host_offers(specs: dict[str, str], others: set[str]) -> None:
    assert of(**specs).others == others


def test_of_images() -> None:
    assert of({"hw_cpu_policy": "dedicated"}).vcpus == 0
    assert of({"hw_tpm_version": "2.0"}).others == {"TPM"}
    assert of({"hw_mem_encryption": "true"}).others == {"MEM_ENCRYPTION_CONTEXT"}


def test_traits() -> None:
    wanted = of(
        {"trait:HW_B": "required", "trait:HW_C": "forbidden"},
        trait__HW_A="required",
        trait2__HW_D="forbidden",
        trait__HW_E="odd",
    )
    assert wanted.required == {"HW_A", "HW_B"}
    assert wanted.forbidden == {"HW_D"}

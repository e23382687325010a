"""What a server asks of a host: the flavor's sizes, as its extra specs and its image change them.

    resources:CLASS=n          in the place of the flavor's own; 0 asks for none
    resources<group>:CLASS=n   besides
    trait[<group>]:NAME        required or forbidden; of the image required only
    group_policy=isolate       groups of different providers: a host here is one
    hw:cpu_policy=dedicated    PCPU in the place of VCPU; mixed, besides it
    hw:mem_encryption, hw:tpm_version, accel:device_profile, pci_passthrough:alias
                               what no host here has yet

Owns: that reading; the same for the scheduler's question, the claim and the filters.
May not: do I/O. Crash story: none, pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_RESOURCES = re.compile(r"resources([A-Za-z0-9_-]{0,64}):([A-Z0-9_]+)")
_TRAIT = re.compile(r"trait([A-Za-z0-9_-]{0,64}):([A-Z0-9_]+)")
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_OFFERED = ("VCPU", "MEMORY_MB", "DISK_GB")


@dataclass(frozen=True)
class Requested:
    vcpus: int
    memory_mib: int
    disk_gib: int
    others: frozenset[str] = field(default_factory=frozenset)
    """Resource classes that no host here offers."""
    required: frozenset[str] = field(default_factory=frozenset)
    """Traits."""
    forbidden: frozenset[str] = field(default_factory=frozenset)


def requested(
    extra_specs: Mapping[str, Any],
    image_properties: Mapping[str, Any],
    *,
    vcpus: int,
    memory_mib: int,
    disk_gib: int,
) -> Requested:
    amounts = {"VCPU": vcpus, "MEMORY_MB": memory_mib, "DISK_GB": disk_gib}
    policy = _text(extra_specs, "hw:cpu_policy") or _text(image_properties, "hw_cpu_policy")
    if policy == "dedicated":
        amounts |= {"VCPU": 0, "PCPU": vcpus}
    elif policy == "mixed":
        amounts["PCPU"] = 1
    besides: dict[str, int] = {}
    groups: set[str] = set()
    for name, value in extra_specs.items():
        if (found := _RESOURCES.fullmatch(name)) and str(value).isdigit():
            group, resource = found.groups()
            if group:
                groups.add(group)
                besides[resource] = besides.get(resource, 0) + int(value)
            else:
                amounts[resource] = int(value)
    for resource, amount in besides.items():
        amounts[resource] = amounts.get(resource, 0) + amount
    others = {name for name, amount in amounts.items() if amount and name not in _OFFERED}
    if len(groups) > 1 and extra_specs.get("group_policy") == "isolate":
        others.add("another provider")
    traits = _traits(extra_specs)
    of_image = {trait for trait, how in _traits(image_properties).items() if how == "required"}
    return Requested(
        amounts["VCPU"],
        amounts["MEMORY_MB"],
        amounts["DISK_GB"],
        frozenset(others | _devices(extra_specs, image_properties)),
        frozenset({name for name, how in traits.items() if how == "required"} | of_image),
        frozenset(name for name, how in traits.items() if how == "forbidden"),
    )


def _traits(items: Mapping[str, Any]) -> dict[str, str]:
    found = ((_TRAIT.fullmatch(name), value) for name, value in items.items())
    return {match[2]: str(value) for match, value in found if match}


def _devices(extra_specs: Mapping[str, Any], image_properties: Mapping[str, Any]) -> set[str]:
    asked = set()
    encrypted = {
        _text(extra_specs, "hw:mem_encryption"),
        _text(image_properties, "hw_mem_encryption"),
    }
    if encrypted & _TRUE:
        asked.add("MEM_ENCRYPTION_CONTEXT")
    if _text(extra_specs, "hw:tpm_version") or _text(image_properties, "hw_tpm_version"):
        asked.add("TPM")
    if _text(extra_specs, "accel:device_profile"):
        asked.add("accelerator")
    if _text(extra_specs, "pci_passthrough:alias"):
        asked.add("PCI_DEVICE")
    return asked


def _text(items: Mapping[str, Any], name: str) -> str:
    return str(items.get(name) or "").lower()

"""Traits of hosts, under the names everybody has for them.

Owns: the list of those a host here can have, and how they follow from what it is.
May not: do I/O. Crash story: none, a table.
"""

from __future__ import annotations

NODE, DISABLED = "COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"
_ARCHITECTURES = {"x86_64": "HW_ARCH_X86_64", "aarch64": "HW_ARCH_AARCH64"}

TRAITS = (NODE, DISABLED, *_ARCHITECTURES.values())
"""Everything a host can be said to be."""


def traits_of(architecture: str | None, *, disabled: bool = False) -> frozenset[str]:
    traits = {NODE} | ({DISABLED} if disabled else set())
    if architecture in _ARCHITECTURES:
        traits.add(_ARCHITECTURES[architecture])
    return frozenset(traits)

"""Flavors as servers take them.

Owns: who may use a flavor that is not public, and the form in which a server keeps its flavor.
May not: look anything up. Crash story: none.
"""

from __future__ import annotations

from typing import Any

SEES_PRIVATE = "os_compute_api:os-flavor-access"
"""Who may see who has access to a flavor may see and use every flavor."""

SIZES = ("vcpus", "memory_mib", "root_gib", "ephemeral_gib", "swap_mib")


def stored_flavor(flavor: dict[str, Any]) -> dict[str, Any]:
    """The flavor as a server keeps it, from the columns of `flavors`; "id" is the one users see."""
    kept = ("name", *SIZES, "extra_specs", "disabled", "rxtx_factor", "is_public")
    return {"id": flavor["flavorid"], **{name: flavor[name] for name in kept}}

"""Policy defaults: baremetal."""

from __future__ import annotations

from services.api.policies.base import ADMIN

RULES = {
    "os_compute_api:os-baremetal-nodes:list": ADMIN,
    "os_compute_api:os-baremetal-nodes:show": ADMIN,
}

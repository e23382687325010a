"""Policy defaults: hosts."""

from __future__ import annotations

from services.api.policies.base import ADMIN

RULES = {
    "os_compute_api:os-hosts:list": ADMIN,
    "os_compute_api:os-hosts:reboot": ADMIN,
    "os_compute_api:os-hosts:show": ADMIN,
    "os_compute_api:os-hosts:shutdown": ADMIN,
    "os_compute_api:os-hosts:start": ADMIN,
    "os_compute_api:os-hosts:update": ADMIN,
}

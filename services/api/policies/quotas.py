"""Policy defaults: quotas."""

from __future__ import annotations

from services.api.policies.base import ADMIN, ANYBODY, READER

RULES = {
    "os_compute_api:os-quota-class-sets:show": ADMIN,
    "os_compute_api:os-quota-class-sets:update": ADMIN,
    "os_compute_api:os-quota-sets:defaults": ANYBODY,
    "os_compute_api:os-quota-sets:delete": ADMIN,
    "os_compute_api:os-quota-sets:detail": READER,
    "os_compute_api:os-quota-sets:show": READER,
    "os_compute_api:os-quota-sets:update": ADMIN,
}

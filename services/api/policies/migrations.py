"""Policy defaults: migrations."""

from __future__ import annotations

from services.api.policies.base import ADMIN, MANAGER

RULES = {
    "os_compute_api:os-migrations:index": MANAGER,
    "os_compute_api:os-migrations:index:all_projects": ADMIN,
    "os_compute_api:os-migrations:index:host": ADMIN,
}

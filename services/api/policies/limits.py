"""Policy defaults: limits."""

from __future__ import annotations

from services.api.policies.base import ADMIN, ANYBODY

RULES = {
    "os_compute_api:limits": ANYBODY,
    "os_compute_api:limits:other_project": ADMIN,
}

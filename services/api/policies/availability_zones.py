"""Policy defaults: availability zones."""

from __future__ import annotations

from services.api.policies.base import ADMIN, ANYBODY

RULES = {
    "os_compute_api:os-availability-zone:detail": ADMIN,
    "os_compute_api:os-availability-zone:list": ANYBODY,
}

"""Policy defaults: extensions."""

from __future__ import annotations

from services.api.policies.base import ANYBODY

RULES = {
    "os_compute_api:extensions": ANYBODY,
}

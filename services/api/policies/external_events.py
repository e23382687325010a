"""Policy defaults: external events."""

from __future__ import annotations

from services.api.policies.base import SERVICE

RULES = {
    "os_compute_api:os-server-external-events:create": SERVICE,
}

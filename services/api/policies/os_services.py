"""Policy defaults: os services."""

from __future__ import annotations

from services.api.policies.base import ADMIN

RULES = {
    "os_compute_api:os-services:delete": ADMIN,
    "os_compute_api:os-services:list": ADMIN,
    "os_compute_api:os-services:update": ADMIN,
}

"""Policy defaults: instance actions."""

from __future__ import annotations

from services.api.policies.base import ADMIN, READER

RULES = {
    "os_compute_api:os-instance-actions:events": ADMIN,
    "os_compute_api:os-instance-actions:events:details": ADMIN,
    "os_compute_api:os-instance-actions:list": READER,
    "os_compute_api:os-instance-actions:show": READER,
}

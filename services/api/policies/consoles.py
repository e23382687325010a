"""Policy defaults: consoles."""

from __future__ import annotations

from services.api.policies.base import ADMIN, MEMBER

RULES = {
    "os_compute_api:os-console-auth-tokens": ADMIN,
    "os_compute_api:os-console-output": MEMBER,
    "os_compute_api:os-remote-consoles": MEMBER,
}

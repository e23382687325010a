"""Policy defaults: server groups."""

from __future__ import annotations

from services.api.policies.base import ADMIN, MEMBER, READER

RULES = {
    "os_compute_api:os-server-groups:create": MEMBER,
    "os_compute_api:os-server-groups:delete": MEMBER,
    "os_compute_api:os-server-groups:index": READER,
    "os_compute_api:os-server-groups:index:all_projects": ADMIN,
    "os_compute_api:os-server-groups:show": READER,
}

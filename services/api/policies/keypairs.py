"""Policy defaults: keypairs."""

from __future__ import annotations

RULES = {
    "os_compute_api:os-keypairs:create": "(rule:context_is_admin) or user_id:%(user_id)s",
    "os_compute_api:os-keypairs:delete": "(rule:context_is_admin) or user_id:%(user_id)s",
    "os_compute_api:os-keypairs:index": "(rule:context_is_admin) or user_id:%(user_id)s",
    "os_compute_api:os-keypairs:show": "(rule:context_is_admin) or user_id:%(user_id)s",
}

"""Policy defaults: volumes."""

from __future__ import annotations

from services.api.policies.base import MEMBER, READER, SERVICE

RULES = {
    "os_compute_api:os-assisted-volume-snapshots:create": SERVICE,
    "os_compute_api:os-assisted-volume-snapshots:delete": SERVICE,
    "os_compute_api:os-volumes-attachments:create": MEMBER,
    "os_compute_api:os-volumes-attachments:delete": MEMBER,
    "os_compute_api:os-volumes-attachments:index": READER,
    "os_compute_api:os-volumes-attachments:show": READER,
    "os_compute_api:os-volumes-attachments:swap": SERVICE,
    "os_compute_api:os-volumes-attachments:update": MEMBER,
    "os_compute_api:os-volumes:create": MEMBER,
    "os_compute_api:os-volumes:delete": MEMBER,
    "os_compute_api:os-volumes:detail": READER,
    "os_compute_api:os-volumes:list": READER,
    "os_compute_api:os-volumes:show": READER,
    "os_compute_api:os-volumes:snapshots:create": MEMBER,
    "os_compute_api:os-volumes:snapshots:delete": MEMBER,
    "os_compute_api:os-volumes:snapshots:detail": READER,
    "os_compute_api:os-volumes:snapshots:list": READER,
    "os_compute_api:os-volumes:snapshots:show": READER,
}

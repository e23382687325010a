"""Names that are made, not given: hostnames, reservation ids, passwords, host ids.

Owns: how they look. May not: keep any of them. Crash story: none.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from uuid import UUID

MAX_HOSTNAME = 63
_PASSWORD_LENGTH = 12
_PASSWORD_GROUPS = ("23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz")
"""Without characters that people confuse."""


def hostname(name: str, uuid: UUID) -> str:
    """A host name made of a display name; `Server-<uuid>` when nothing of it can be used."""
    text = name.encode("latin-1", "ignore").decode("latin-1")[:MAX_HOSTNAME]
    text = re.sub(r"[\s_.]+", "-", text).lower()
    text = re.sub(r"[^0-9a-z-]+", "", text).strip("-")
    return text or f"Server-{uuid}"


def reservation_id(uuid: UUID) -> str:
    """Shared by all servers of one request."""
    return f"r-{uuid.hex[:8]}"


def password() -> str:
    """A new admin password: returned once, never stored."""
    chosen = [secrets.choice(group) for group in _PASSWORD_GROUPS]
    every = "".join(_PASSWORD_GROUPS)
    chosen += [secrets.choice(every) for _ in range(_PASSWORD_LENGTH - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)


def host_id(project_id: str, host: str | None) -> str:
    """The host as its users may know it: equal for equal hosts within a project, "" without."""
    if not host:
        return ""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


def instance_name(uuid: UUID) -> str:
    """The guest's name on its host."""
    return f"instance-{uuid.hex[:8]}"

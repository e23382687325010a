"""Policy defaults: the Placement API, of which everything is read only."""

from __future__ import annotations

from services.api.policies.base import READER, SERVICE

RULES = {
    "placement:read": SERVICE,
    "placement:usages": READER,
}

"""What a handler is given: the caller, the validated input, and what the process has to offer.

Owns: `Request`, `RequestContext`, `Deps`. May not: know HTTP beyond names and values.
Crash story: nothing here outlives the request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.errors import Forbidden

if TYPE_CHECKING:
    import asyncpg

    from common.auth.session import ServiceSession
    from common.bus.port import Bus
    from common.config.settings import Settings
    from common.neighbours.image import ImageClient
    from common.neighbours.network import NetworkClient
    from common.runtime.ports import Clock, Ids, Random
    from common.runtime.tasks import Tasks
    from services.api.links import Links
    from services.api.policy import Policy


@dataclass(frozen=True)
class Deps:
    """Everything of the process that handlers use; built once by app.py."""

    settings: Settings
    pool: asyncpg.Pool[asyncpg.Record]
    bus: Bus
    clock: Clock
    ids: Ids
    random: Random
    tasks: Tasks
    policy: Policy
    session: ServiceSession
    image: ImageClient
    network: NetworkClient


@dataclass(frozen=True)
class RequestContext:
    """Who asks."""

    request_id: str
    user_id: str
    project_id: str
    """Empty for a token without project scope: it owns nothing."""
    roles: frozenset[str]
    is_admin: bool
    """The rule context_is_admin, not the role itself."""
    user_name: str = ""
    user_domain_id: str = ""
    project_name: str = ""
    project_domain_id: str = ""
    global_request_id: str | None = None
    """The caller's X-OpenStack-Request-ID."""
    token: str = field(default="", repr=False)
    """For calls to neighbours in the caller's own name."""


@dataclass(frozen=True)
class Request:
    """One request, after authentication and validation."""

    app: Deps
    ctx: RequestContext
    v: int
    """Microversion 2.v."""
    params: dict[str, str]
    """Values of the path's {names}."""
    body: Any
    """The decoded body as its schema allows it; None where the operation takes none."""
    query: dict[str, list[str]]
    """Known query parameters in order of appearance."""
    links: Links

    def q(self, name: str) -> str | None:
        """The last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else None

    def qs(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return self.query.get(name, [])

    def can(self, rule: str, project_id: str | None = None, user_id: str | None = None) -> bool:
        """Whether policy allows `rule` on a target; the target defaults to the caller's own."""
        return self.app.policy.allows(rule, self.ctx, project_id, user_id)

    def require(self, rule: str, project_id: str | None = None, user_id: str | None = None) -> None:
        """Raises `Forbidden` unless `can`."""
        if not self.can(rule, project_id, user_id):
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")

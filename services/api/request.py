"""What a handler is given: the caller, the validated input, and what the process has to offer.

Owns: `Request`, `RequestContext`, `Deps`. May not: know HTTP beyond names and values.
Crash story: nothing here outlives the request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.errors import Bug, Forbidden

if TYPE_CHECKING:
    import asyncpg

    from common.auth.session import ServiceSession
    from common.bus.port import Bus
    from common.config.settings import Settings
    from common.db.stores.servers import PlacedServer
    from common.neighbours.image import ImageClient
    from common.neighbours.network import NetworkClient
    from common.neighbours.volume import VolumeClient
    from common.runtime.ports import Clock, Ids, Random
    from common.runtime.tasks import Tasks
    from services.api.http.links import Links
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
    volume: VolumeClient


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


ALL_PROJECTS = "os_compute_api:servers:index:get_all_tenants"
"""Who may list the servers of all projects may know that a server of another project exists."""


@dataclass(slots=True)
class Request:
    """One request, prepared: valid, typed, its target found and policy decided against it."""

    app: Deps
    ctx: RequestContext
    v: int
    """Microversion 2.v."""
    params: dict[str, str]
    """Values of the path's {names}."""
    body: Any
    """The body as its schema allows it, with typed values; None where the operation takes none."""
    query: dict[str, list[Any]]
    """Known query parameters in order of appearance, with typed values."""
    links: Links
    owner_project_id: str
    """Whose target this is; written by the operation's target (services/api/targets.py)."""
    owner_user_id: str
    found: Any = None
    """What the operation's target has loaded."""

    @property
    def server(self) -> PlacedServer:
        """The server of the path, for operations whose target is a server."""
        if self.found is None:
            raise Bug("the operation's row does not have a server as its target")
        server: PlacedServer = self.found
        return server

    def q(self, name: str) -> Any:
        """The last value of a query parameter; None: it is not there."""
        values = self.query.get(name)
        return values[-1] if values else None

    def qs(self, name: str) -> list[Any]:
        """All values of a query parameter."""
        return self.query.get(name, [])

    def can(self, rule: str, project_id: str | None = None, user_id: str | None = None) -> bool:
        """Whether policy allows `rule` on the request's target, or on another one."""
        return self.app.policy.allows(
            rule,
            self.ctx,
            self.owner_project_id if project_id is None else project_id,
            self.owner_user_id if user_id is None else user_id,
        )

    def require(self, rule: str, project_id: str | None = None, user_id: str | None = None) -> None:
        """Raises `Forbidden` unless `can`."""
        if not self.can(rule, project_id, user_id):
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")

    @property
    def sees_all_projects(self) -> bool:
        return self.can(ALL_PROJECTS, self.ctx.project_id, self.ctx.user_id)

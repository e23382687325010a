"""Who holds which role where: the routes that give and take roles.

Owns: grants under projects, domains and system, own and inherited ones.
May not: say what follows from a grant; model.py does.
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.standins.identity import views
from services.standins.identity.lookup import need
from services.standins.identity.model import SYSTEM_ID, Model, grant_id, is_inherited
from services.standins.store import Doc
from services.standins.web import Call, Fault, Reply, Route

ACTORS = {"users": "user", "groups": "group"}


@dataclass(frozen=True, slots=True)
class Place:
    """One of the paths under which grants live."""

    path: str
    target: str
    inherited: bool = False

    @property
    def suffix(self) -> str:
        return "/inherited_to_projects" if self.inherited else ""


PLACES = (
    Place("/v3/projects/{target}", "project"),
    Place("/v3/domains/{target}", "domain"),
    Place("/v3/system", "system"),
    Place("/v3/OS-INHERIT/projects/{target}", "project", inherited=True),
    Place("/v3/OS-INHERIT/domains/{target}", "domain", inherited=True),
)


class Grants:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        for place in PLACES:
            for actor_path, actor in ACTORS.items():
                held = f"{place.path}/{actor_path}/{{actor}}/roles"
                one = f"{held}/{{role}}{place.suffix}"
                # Before `one`, which would take the suffix for a role.
                yield Route("GET", held + place.suffix, self._for(self.list_roles, place, actor))
                yield Route("PUT", one, self._for(self.add, place, actor))
                yield Route("HEAD", one, self._for(self.check, place, actor))
                yield Route("GET", one, self._for(self.check, place, actor))
                yield Route("DELETE", one, self._for(self.remove, place, actor))

    def _for(
        self, handler: Callable[[Call, Place, str], Reply], place: Place, actor: str
    ) -> Callable[[Call], Reply]:
        return lambda call: handler(call, place, actor)

    def _where(self, call: Call, place: Place, actor: str) -> tuple[str, str, str, str]:
        """The grant's four coordinates, all of which exist."""
        target_id = SYSTEM_ID if place.target == "system" else call.param("target")
        if place.target != "system":
            need(self._model, place.target, target_id)
        need(self._model, actor, call.param("actor"))
        return place.target, target_id, actor, call.param("actor")

    def _grant(self, call: Call, place: Place, actor: str) -> Doc:
        role = need(self._model, "role", call.param("role"))
        where = self._where(call, place, actor)
        found = self._model.grants.get(grant_id(*where, role["id"], inherited=place.inherited))
        if found is None:
            raise Fault(404, f"Could not find role assignment with role: {role['id']}.")
        return found

    def list_roles(self, call: Call, place: Place, actor: str) -> Reply:
        call.require_admin("identity:list_grants")
        grants = self._model.grants.find("both", self._where(call, place, actor))
        ids = [g["role_id"] for g in grants if is_inherited(g) == place.inherited]
        roles = [need(self._model, "role", role_id) for role_id in ids]
        return Reply(body=views.listing(roles, "roles", call.base_url))

    def add(self, call: Call, place: Place, actor: str) -> Reply:
        call.require_admin("identity:create_grant")
        role = need(self._model, "role", call.param("role"))
        where = self._where(call, place, actor)
        self._model.put_grant(*where, role["id"], inherited=place.inherited)
        return Reply(204)

    def check(self, call: Call, place: Place, actor: str) -> Reply:
        call.require_admin("identity:check_grant")
        self._grant(call, place, actor)
        return Reply(204)

    def remove(self, call: Call, place: Place, actor: str) -> Reply:
        call.require_admin("identity:revoke_grant")
        self._model.grants.delete(self._grant(call, place, actor)["id"])
        return Reply(204)

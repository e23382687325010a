"""`/v3/role_assignments`: who holds what, as it was granted or as it comes out.

Owns: the list and its filters. May not: change a grant.
Crash story: pure functions of documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.standins.identity import views
from services.standins.identity.model import Model, is_inherited
from services.standins.store import Doc
from services.standins.web import Call, Reply, Route

INHERITED_TO = "OS-INHERIT:inherited_to"
FILTERS = (
    ("user.id", "actor", "user"),
    ("group.id", "actor", "group"),
    ("scope.project.id", "target", "project"),
    ("scope.domain.id", "target", "domain"),
)
"""(parameter, which end of a grant, of which kind)."""


class Assignments:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v3/role_assignments", self.list)
        yield Route("HEAD", "/v3/role_assignments", self.list)

    def list(self, call: Call) -> Reply:
        query = call.query
        if query.get("user.id") != call.caller.user_id:
            call.require_admin("identity:list_role_assignments")
        found = list(self._effective() if _flag(call, "effective") else self._model.grants)
        if (role_id := query.get("role.id")) is not None:
            found = [g for g in found if g["role_id"] == role_id]
        for parameter, end, kind in FILTERS:
            if (value := query.get(parameter)) is not None:
                found = [g for g in found if g[end] == kind and g[f"{end}_id"] == value]
        if "scope.system" in query:
            found = [g for g in found if g["target"] == "system"]
        if f"scope.{INHERITED_TO}" in query:
            found = [g for g in found if is_inherited(g)]
        names = _flag(call, "include_names")
        links = {"self": str(call.base_url) + call.request.path_qs, "next": None, "previous": None}
        shown = [self._view(g, call.base_url, names=names) for g in found]
        return Reply(body={"role_assignments": shown, "links": links})

    def _effective(self) -> Iterator[Doc]:
        """Of users alone: groups opened, inherited grants where they arrive, implied roles."""
        found: dict[tuple[str, ...], Doc] = {}
        for grant in self._model.grants:
            users = [grant["actor_id"]]
            if grant["actor"] == "group":
                members = self._model.members.find("group", grant["actor_id"])
                users = [m["user_id"] for m in members]
            places = [(grant["target"], grant["target_id"])]
            if is_inherited(grant):
                below = self._model.below(grant["target"], grant["target_id"])
                places = [("project", project["id"]) for project in below]
            for user_id in users:
                for role_id in self._model.effective([grant["role_id"]]):
                    for target, target_id in places:
                        found.setdefault(
                            (target, target_id, user_id, role_id),
                            {
                                "target": target,
                                "target_id": target_id,
                                "actor": "user",
                                "actor_id": user_id,
                                "role_id": role_id,
                            },
                        )
        yield from found.values()

    def _view(self, grant: Doc, base_url: str, *, names: bool) -> Doc:
        collections = {
            "project": self._model.projects,
            "domain": self._model.domains,
            "user": self._model.users,
            "group": self._model.groups,
            "role": self._model.roles,
        }

        def shown(kind: str, doc_id: str) -> Doc:
            doc = collections[kind].get(doc_id)
            if not names or doc is None:
                return {"id": doc_id}
            if kind in {"domain", "role"}:
                return views.named(doc)
            return views.with_domain(self._model, doc)

        target, actor = grant["target"], grant["actor"]
        scope: Doc = {target: {"all": True}}
        if target != "system":
            scope = {target: shown(target, grant["target_id"])}
        path = {"project": "projects/", "domain": "domains/", "system": "system"}[target]
        path += "" if target == "system" else grant["target_id"]
        path += f"/{actor}s/{grant['actor_id']}/roles/{grant['role_id']}"
        if is_inherited(grant):
            scope[INHERITED_TO] = "projects"
            path = f"OS-INHERIT/{path}/inherited_to_projects"
        return {
            "role": shown("role", grant["role_id"]),
            actor: shown(actor, grant["actor_id"]),
            "scope": scope,
            "links": {"assignment": f"{base_url}/identity/v3/{path}"},
        }


def _flag(call: Call, name: str) -> bool:
    """A query flag: present means yes, unless it says no."""
    return call.query.get(name, "0").lower() not in {"0", "false"}

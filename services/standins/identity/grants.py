"""Who holds which role where: grants, role assignments, implied roles, group membership.

Owns: the routes under projects, domains, system, roles and groups that connect two things.
May not: change the things themselves.
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.standins.identity import views
from services.standins.identity.model import SYSTEM_ID, Model, grant_id
from services.standins.store import Collection, Doc
from services.standins.web import Call, Fault, Reply, Route

TARGETS = {"projects": "project", "domains": "domain", "system": "system"}
ACTORS = {"users": "user", "groups": "group"}


class Grants:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._collections: dict[str, Collection] = {
            "project": model.projects,
            "domain": model.domains,
            "user": model.users,
            "group": model.groups,
            "role": model.roles,
        }

    def routes(self) -> Iterable[Route]:
        for target_path, target in TARGETS.items():
            base = "/v3/system" if target == "system" else f"/v3/{target_path}/{{target}}"
            for actor_path, actor in ACTORS.items():
                held = f"{base}/{actor_path}/{{actor}}/roles"
                one = f"{held}/{{role}}"
                yield Route("GET", held, self._for(self.list_roles, target, actor))
                yield Route("PUT", one, self._for(self.add, target, actor))
                yield Route("HEAD", one, self._for(self.check, target, actor))
                yield Route("GET", one, self._for(self.check, target, actor))
                yield Route("DELETE", one, self._for(self.remove, target, actor))
        yield Route("GET", "/v3/role_assignments", self.assignments)
        yield Route("GET", "/v3/role_inferences", self.inferences)
        yield Route("GET", "/v3/roles/{role}/implies", self.implied)
        one = "/v3/roles/{role}/implies/{implied}"
        yield Route("PUT", one, self.imply)
        yield Route("GET", one, self.show_implied)
        yield Route("HEAD", one, self.show_implied)
        yield Route("DELETE", one, self.stop_implying)
        yield Route("GET", "/v3/groups/{group}/users", self.users_of_group)
        one = "/v3/groups/{group}/users/{user}"
        yield Route("PUT", one, self.join)
        yield Route("HEAD", one, self.is_member)
        yield Route("GET", one, self.is_member)
        yield Route("DELETE", one, self.leave)
        yield Route("GET", "/v3/users/{user}/groups", self.groups_of_user)
        yield Route("GET", "/v3/users/{user}/projects", self.projects_of_user)

    def _for(
        self, handler: Callable[[Call, str, str], Reply], target: str, actor: str
    ) -> Callable[[Call], Reply]:
        return lambda call: handler(call, target, actor)

    def _need(self, kind: str, doc_id: str) -> Doc:
        doc = self._collections[kind].get(doc_id)
        if doc is None:
            raise Fault(404, f"Could not find {kind}: {doc_id}.")
        return doc

    def _where(self, call: Call, target: str, actor: str) -> tuple[str, str, str, str]:
        """The grant's four coordinates, all of which exist."""
        target_id = SYSTEM_ID if target == "system" else call.param("target")
        if target != "system":
            self._need(target, target_id)
        self._need(actor, call.param("actor"))
        return target, target_id, actor, call.param("actor")

    def _grant(self, call: Call, target: str, actor: str) -> Doc:
        role = self._need("role", call.param("role"))
        where = self._where(call, target, actor)
        grant = self._model.grants.get(grant_id(*where, role["id"]))
        if grant is None:
            raise Fault(404, f"Could not find role assignment with role: {role['id']}.")
        return grant

    def list_roles(self, call: Call, target: str, actor: str) -> Reply:
        call.require_admin("identity:list_grants")
        grants = self._model.grants.find("both", self._where(call, target, actor))
        roles = [self._need("role", g["role_id"]) for g in grants]
        return Reply(body=views.listing(roles, "roles", call.base_url))

    def add(self, call: Call, target: str, actor: str) -> Reply:
        call.require_admin("identity:create_grant")
        role = self._need("role", call.param("role"))
        self._model.put_grant(*self._where(call, target, actor), role["id"])
        return Reply(204)

    def check(self, call: Call, target: str, actor: str) -> Reply:
        call.require_admin("identity:check_grant")
        self._grant(call, target, actor)
        return Reply(204)

    def remove(self, call: Call, target: str, actor: str) -> Reply:
        call.require_admin("identity:revoke_grant")
        self._model.grants.delete(self._grant(call, target, actor)["id"])
        return Reply(204)

    def assignments(self, call: Call) -> Reply:
        query = call.query
        own = query.get("user.id") == call.caller.user_id
        if not own:
            call.require_admin("identity:list_role_assignments")
        wanted = {
            ("actor_id", "user"): query.get("user.id"),
            ("actor_id", "group"): query.get("group.id"),
            ("target_id", "project"): query.get("scope.project.id"),
            ("target_id", "domain"): query.get("scope.domain.id"),
        }
        found = self._effective() if _flag(call, "effective") else list(self._model.grants)
        if (role_id := query.get("role.id")) is not None:
            found = [g for g in found if g["role_id"] == role_id]
        for (column, kind), value in wanted.items():
            if value is not None:
                side = "actor" if column == "actor_id" else "target"
                found = [g for g in found if g[side] == kind and g[column] == value]
        if "scope.system" in query:
            found = [g for g in found if g["target"] == "system"]
        names = _flag(call, "include_names")
        links = {"self": str(call.base_url) + call.request.path_qs, "next": None, "previous": None}
        shown = [self._assignment(g, call.base_url, names=names) for g in found]
        return Reply(body={"role_assignments": shown, "links": links})

    def _effective(self) -> list[Doc]:
        """Assignments of users alone, with groups opened and implied roles added."""
        found: dict[tuple[str, ...], Doc] = {}
        for grant in self._model.grants:
            users = [grant["actor_id"]]
            if grant["actor"] == "group":
                members = self._model.members.find("group", grant["actor_id"])
                users = [m["user_id"] for m in members]
            for user_id in users:
                for role_id in self._model.with_implied([grant["role_id"]]):
                    key = (grant["target"], grant["target_id"], user_id, role_id)
                    doc = {**grant, "actor": "user", "actor_id": user_id, "role_id": role_id}
                    found.setdefault(key, doc)
        return list(found.values())

    def _assignment(self, grant: Doc, base_url: str, *, names: bool) -> Doc:
        def shown(kind: str, doc_id: str) -> Doc:
            doc = self._collections[kind].get(doc_id)
            if not names or doc is None:
                return {"id": doc_id}
            if kind in {"domain", "role"}:
                return views.named(doc)
            return views.with_domain(self._model, doc)

        target, actor = grant["target"], grant["actor"]
        scope = {"all": True} if target == "system" else shown(target, grant["target_id"])
        plural = {"project": "projects/", "domain": "domains/", "system": "system"}[target]
        target_id = "" if target == "system" else grant["target_id"]
        path = f"{plural}{target_id}/{actor}s/{grant['actor_id']}/roles/{grant['role_id']}"
        return {
            "role": shown("role", grant["role_id"]),
            actor: shown(actor, grant["actor_id"]),
            "scope": {target: scope},
            "links": {"assignment": f"{base_url}/identity/v3/{path}"},
        }

    def inferences(self, call: Call) -> Reply:
        call.require_admin("identity:list_role_inference_rules")
        priors = [r for r in self._model.roles if self._model.implied.count("prior", r["id"])]
        return Reply(body={"role_inferences": [self._inference(prior) for prior in priors]})

    def _inference(self, prior: Doc) -> Doc:
        links = self._model.implied.find("prior", prior["id"])
        implied = [views.named(self._need("role", i["implied_id"])) for i in links]
        return {"prior_role": views.named(prior), "implies": implied}

    def implied(self, call: Call) -> Reply:
        call.require_admin("identity:list_implied_roles")
        prior = self._need("role", call.param("role"))
        return Reply(body={"role_inference": self._inference(prior)})

    def _pair(self, call: Call) -> tuple[Doc, Doc]:
        return self._need("role", call.param("role")), self._need("role", call.param("implied"))

    def imply(self, call: Call) -> Reply:
        call.require_admin("identity:create_implied_role")
        prior, implied = self._pair(call)
        self._model.put_implied(prior["id"], implied["id"])
        body = {"prior_role": views.named(prior), "implies": views.named(implied)}
        return Reply(201, {"role_inference": body})

    def show_implied(self, call: Call) -> Reply:
        call.require_admin("identity:get_implied_role")
        prior, implied = self._pair(call)
        if f"{prior['id']}/{implied['id']}" not in self._model.implied:
            raise Fault(404, f"{prior['id']} does not imply {implied['id']}.")
        body = {"prior_role": views.named(prior), "implies": views.named(implied)}
        return Reply(200, {"role_inference": body})

    def stop_implying(self, call: Call) -> Reply:
        call.require_admin("identity:delete_implied_role")
        self.show_implied(call)
        self._model.implied.delete(f"{call.param('role')}/{call.param('implied')}")
        return Reply(204)

    def users_of_group(self, call: Call) -> Reply:
        call.require_admin("identity:list_users_in_group")
        group = self._need("group", call.param("group"))
        members = self._model.members.find("group", group["id"])
        users = [self._need("user", m["user_id"]) for m in members]
        return Reply(body=views.listing(users, "users", call.base_url))

    def _membership(self, call: Call) -> tuple[str, str]:
        group = self._need("group", call.param("group"))
        return group["id"], self._need("user", call.param("user"))["id"]

    def join(self, call: Call) -> Reply:
        call.require_admin("identity:add_user_to_group")
        self._model.put_member(*self._membership(call))
        return Reply(204)

    def is_member(self, call: Call) -> Reply:
        call.require_admin("identity:check_user_in_group")
        group_id, user_id = self._membership(call)
        if f"{group_id}/{user_id}" not in self._model.members:
            raise Fault(404, f"User {user_id} not found in group {group_id}.")
        return Reply(204)

    def leave(self, call: Call) -> Reply:
        self.is_member(call)
        self._model.members.delete(f"{call.param('group')}/{call.param('user')}")
        return Reply(204)

    def _require_self(self, call: Call, action: str) -> str:
        user_id = call.param("user")
        if user_id != call.caller.user_id:
            call.require_admin(action)
            self._need("user", user_id)
        return user_id

    def groups_of_user(self, call: Call) -> Reply:
        user_id = self._require_self(call, "identity:list_groups_for_user")
        groups = [self._need("group", g) for g in self._model.groups_of(user_id)]
        return Reply(body=views.listing(groups, "groups", call.base_url))

    def projects_of_user(self, call: Call) -> Reply:
        user_id = self._require_self(call, "identity:list_user_projects")
        projects = self._model.projects_of(user_id)
        return Reply(body=views.listing(projects, "projects", call.base_url))


def _flag(call: Call, name: str) -> bool:
    """A query flag: present means yes, unless it says no."""
    return call.query.get(name, "0").lower() not in {"0", "false"}

"""What a user belongs to: groups, and projects by its roles.

Owns: the routes that join users and groups. May not: create either.
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.standins.identity import views
from services.standins.identity.lookup import need
from services.standins.identity.model import Model
from services.standins.web import Call, Fault, Reply, Route


class Memberships:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v3/groups/{group}/users", self.users_of_group)
        one = "/v3/groups/{group}/users/{user}"
        yield Route("PUT", one, self.join)
        yield Route("HEAD", one, self.is_member)
        yield Route("GET", one, self.is_member)
        yield Route("DELETE", one, self.leave)
        yield Route("GET", "/v3/users/{user}/groups", self.groups_of_user)
        yield Route("GET", "/v3/users/{user}/projects", self.projects_of_user)

    def users_of_group(self, call: Call) -> Reply:
        call.require_admin("identity:list_users_in_group")
        group = need(self._model, "group", call.param("group"))
        members = self._model.members.find("group", group["id"])
        users = [need(self._model, "user", m["user_id"]) for m in members]
        return Reply(body=views.listing(users, "users", call.base_url))

    def _membership(self, call: Call) -> tuple[str, str]:
        group = need(self._model, "group", call.param("group"))
        return group["id"], need(self._model, "user", call.param("user"))["id"]

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
            need(self._model, "user", user_id)
        return user_id

    def groups_of_user(self, call: Call) -> Reply:
        user_id = self._require_self(call, "identity:list_groups_for_user")
        groups = [need(self._model, "group", g) for g in self._model.groups_of(user_id)]
        return Reply(body=views.listing(groups, "groups", call.base_url))

    def projects_of_user(self, call: Call) -> Reply:
        user_id = self._require_self(call, "identity:list_user_projects")
        projects = self._model.projects_of(user_id)
        return Reply(body=views.listing(projects, "projects", call.base_url))

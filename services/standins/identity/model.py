"""What the identity stand-in keeps: its collections, and what follows from them.

Owns: the collections and their indexes, effective roles, what falls with what on delete.
May not: know HTTP or tokens.
Crash story: all state is in the store.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from common.runtime.ports import Clock, Ids
from services.standins.store import Collection, Doc, Store

DEFAULT_DOMAIN_ID = "default"
SYSTEM_ID = "all"
"""The one target of system grants."""


class Model:
    """Collections of the identity service.

    A grant is `{id, target, target_id, actor, actor_id, role_id}` with target one of project,
    domain, system and actor one of user, group. Private fields of a document begin with `_`.
    """

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        by_name = {"name": lambda d: [(d.get("domain_id"), d["name"])]}
        self.domains = store.collection("identity.domain", name=lambda d: [(None, d["name"])])
        self.projects = store.collection(
            "identity.project", **by_name, domain=lambda d: [d["domain_id"]]
        )
        self.users = store.collection("identity.user", **by_name, domain=lambda d: [d["domain_id"]])
        self.groups = store.collection(
            "identity.group", **by_name, domain=lambda d: [d["domain_id"]]
        )
        self.roles = store.collection("identity.role", **by_name)
        self.services = store.collection("identity.service")
        self.regions = store.collection("identity.region")
        self.endpoints = store.collection("identity.endpoint", service=lambda d: [d["service_id"]])
        self.members = store.collection(
            "identity.group_member", user=lambda d: [d["user_id"]], group=lambda d: [d["group_id"]]
        )
        self.grants = store.collection(
            "identity.grant",
            actor=lambda d: [(d["actor"], d["actor_id"])],
            target=lambda d: [(d["target"], d["target_id"])],
            both=lambda d: [(d["target"], d["target_id"], d["actor"], d["actor_id"])],
            role=lambda d: [d["role_id"]],
        )
        self.implied = store.collection(
            "identity.implied_role",
            prior=lambda d: [d["prior_id"]],
            implied=lambda d: [d["implied_id"]],
        )
        self.credentials = store.collection(
            "identity.application_credential",
            user=lambda d: [d["_user_id"]],
            name=lambda d: [(d["_user_id"], d["name"])],
        )
        self.revocations = store.collection("identity.revocation")
        self.keys = store.collection("identity.key")

    def new_id(self) -> str:
        """32 hexadecimal digits: some tools put ids into URL patterns that allow no dashes."""
        return self.ids.uuid().hex

    def domain_name(self, domain_id: str) -> str:
        return str((self.domains.get(domain_id) or {"name": ""})["name"])

    def groups_of(self, user_id: str) -> list[str]:
        return [m["group_id"] for m in self.members.find("user", user_id)]

    def with_implied(self, role_ids: Iterable[str]) -> list[str]:
        """The roles and all that follow from them, each once."""
        found: dict[str, None] = {}
        waiting = list(role_ids)
        while waiting:
            role_id = waiting.pop(0)
            if role_id not in found:
                found[role_id] = None
                waiting += [i["implied_id"] for i in self.implied.find("prior", role_id)]
        return list(found)

    def granted(self, user_id: str, target: str, target_id: str) -> list[str]:
        """Role ids a user holds on a target by own and group grants, without implied ones."""
        actors = [("user", user_id), *(("group", g) for g in self.groups_of(user_id))]
        grants = (g for a in actors for g in self.grants.find("both", (target, target_id, *a)))
        return list(dict.fromkeys(g["role_id"] for g in grants))

    def projects_of(self, user_id: str) -> Iterator[Doc]:
        """Projects on which the user holds any role."""
        yield from self._targets_of(user_id, "project")

    def domains_of(self, user_id: str) -> Iterator[Doc]:
        yield from self._targets_of(user_id, "domain")

    def _targets_of(self, user_id: str, target: str) -> Iterator[Doc]:
        collection = self.projects if target == "project" else self.domains
        actors = [("user", user_id), *(("group", g) for g in self.groups_of(user_id))]
        grants = [g for actor in actors for g in self.grants.find("actor", actor)]
        for target_id in dict.fromkeys(g["target_id"] for g in grants if g["target"] == target):
            if (doc := collection.get(target_id)) is not None:
                yield doc

    def put_grant(self, target: str, target_id: str, actor: str, actor_id: str, role: str) -> None:
        self.grants.put(
            {
                "id": grant_id(target, target_id, actor, actor_id, role),
                "target": target,
                "target_id": target_id,
                "actor": actor,
                "actor_id": actor_id,
                "role_id": role,
            }
        )

    def put_member(self, group_id: str, user_id: str) -> None:
        doc = {"id": f"{group_id}/{user_id}", "group_id": group_id, "user_id": user_id}
        self.members.put(doc)

    def put_implied(self, prior_id: str, implied_id: str) -> None:
        doc = {"id": f"{prior_id}/{implied_id}", "prior_id": prior_id, "implied_id": implied_id}
        self.implied.put(doc)

    def delete_user(self, user_id: str) -> None:
        _drop(self.grants, self.grants.find("actor", ("user", user_id)))
        _drop(self.members, self.members.find("user", user_id))
        _drop(self.credentials, self.credentials.find("user", user_id))
        self.users.delete(user_id)

    def delete_group(self, group_id: str) -> None:
        _drop(self.grants, self.grants.find("actor", ("group", group_id)))
        _drop(self.members, self.members.find("group", group_id))
        self.groups.delete(group_id)

    def delete_project(self, project_id: str) -> None:
        _drop(self.grants, self.grants.find("target", ("project", project_id)))
        _drop(self.credentials, [c for c in self.credentials if c["project_id"] == project_id])
        self.projects.delete(project_id)

    def delete_role(self, role_id: str) -> None:
        _drop(self.grants, self.grants.find("role", role_id))
        _drop(self.implied, self.implied.find("prior", role_id))
        _drop(self.implied, self.implied.find("implied", role_id))
        self.roles.delete(role_id)

    def delete_domain(self, domain_id: str) -> None:
        for user in self.users.find("domain", domain_id):
            self.delete_user(user["id"])
        for group in self.groups.find("domain", domain_id):
            self.delete_group(group["id"])
        for project in self.projects.find("domain", domain_id):
            self.delete_project(project["id"])
        for role in [r for r in self.roles if r.get("domain_id") == domain_id]:
            self.delete_role(role["id"])
        _drop(self.grants, self.grants.find("target", ("domain", domain_id)))
        self.domains.delete(domain_id)

    def delete_service(self, service_id: str) -> None:
        _drop(self.endpoints, self.endpoints.find("service", service_id))
        self.services.delete(service_id)


def grant_id(target: str, target_id: str, actor: str, actor_id: str, role_id: str) -> str:
    return f"{target}/{target_id}/{actor}/{actor_id}/{role_id}"


def stamp(moment: dt.datetime) -> str:
    """The one form that all clients parse: `2026-11-21T01:23:58.000000Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _drop(collection: Collection, docs: Iterable[Doc]) -> None:
    for doc in docs:
        collection.delete(doc["id"])

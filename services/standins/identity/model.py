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

    A grant is `{id, target, target_id, actor, actor_id, role_id, inherited}` with target one of
    project, domain, system and actor one of user, group. An inherited grant says nothing about its
    target, only about the projects below it. Private fields of a document begin with `_`.
    """

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        by_name = {"name": lambda d: [(d.get("domain_id"), d["name"])]}
        self.domains = store.collection("identity.domain", name=lambda d: [(None, d["name"])])
        self.projects = store.collection(
            "identity.project",
            **by_name,
            domain=lambda d: [d["domain_id"]],
            parent=lambda d: [d["parent_id"]],
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

    def effective(self, role_ids: Iterable[str]) -> list[str]:
        """What a token shows for these grants. A domain's own role only stands for others."""
        roles = (self.roles.get(i) for i in self.with_implied(role_ids))
        return [r["id"] for r in roles if r is not None and r.get("domain_id") is None]

    def granted(self, user_id: str, target: str, target_id: str) -> list[str]:
        """Role ids a user holds on a target by own, group and inherited grants, not implied."""
        places = [(target, target_id, False)]
        if target == "project":
            places += [(*above, True) for above in self._above(target_id)]
        found: dict[str, None] = {}
        for kind, place_id, inherited in places:
            for actor in self._actors(user_id):
                for grant in self.grants.find("both", (kind, place_id, *actor)):
                    if is_inherited(grant) == inherited:
                        found[grant["role_id"]] = None
        return list(found)

    def _actors(self, user_id: str) -> list[tuple[str, str]]:
        return [("user", user_id), *(("group", g) for g in self.groups_of(user_id))]

    def _above(self, project_id: str) -> Iterator[tuple[str, str]]:
        """What a project inherits from: the projects above it and its domain, nearest first."""
        project = self.projects.get(project_id)
        while project is not None:
            parent = self.projects.get(project["parent_id"])
            yield ("project", parent["id"]) if parent else ("domain", project["domain_id"])
            project = parent

    def below(self, target: str, target_id: str) -> list[Doc]:
        """The projects that inherit from a domain or a project."""
        if target == "domain":
            return self.projects.find("domain", target_id)
        found = self.projects.find("parent", target_id)
        for project in found:
            # A parent exists before its children and never changes: this ends.
            found += self.projects.find("parent", project["id"])
        return found

    def projects_of(self, user_id: str) -> list[Doc]:
        """Projects on which the user holds any role."""
        found: dict[str, Doc] = {}
        for grant in self._grants_of(user_id):
            if is_inherited(grant):
                reached = self.below(grant["target"], grant["target_id"])
            else:
                own = self.projects.get(grant["target_id"])
                reached = [own] if own is not None and grant["target"] == "project" else []
            found |= {project["id"]: project for project in reached}
        return list(found.values())

    def domains_of(self, user_id: str) -> list[Doc]:
        held = [g for g in self._grants_of(user_id) if not is_inherited(g)]
        ids = dict.fromkeys(g["target_id"] for g in held if g["target"] == "domain")
        return [doc for i in ids if (doc := self.domains.get(i)) is not None]

    def _grants_of(self, user_id: str) -> list[Doc]:
        return [g for actor in self._actors(user_id) for g in self.grants.find("actor", actor)]

    def put_grant(
        self,
        target: str,
        target_id: str,
        actor: str,
        actor_id: str,
        role: str,
        *,
        inherited: bool = False,
    ) -> None:
        self.grants.put(
            {
                "id": grant_id(target, target_id, actor, actor_id, role, inherited=inherited),
                "target": target,
                "target_id": target_id,
                "actor": actor,
                "actor_id": actor_id,
                "role_id": role,
                "inherited": inherited,
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


def grant_id(  # the coordinates of a grant
    target: str, target_id: str, actor: str, actor_id: str, role_id: str, *, inherited: bool
) -> str:
    suffix = "/inherited" if inherited else ""
    return f"{target}/{target_id}/{actor}/{actor_id}/{role_id}{suffix}"


def is_inherited(grant: Doc) -> bool:
    """Documents of older programs do not say; there were no inherited grants then."""
    return bool(grant.get("inherited", False))


def stamp(moment: dt.datetime) -> str:
    """The one form that all clients parse: `2026-11-21T01:23:58.000000Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _drop(collection: Collection, docs: Iterable[Doc]) -> None:
    for doc in docs:
        collection.delete(doc["id"])

"""The resources of identity and what is special about each.

Owns: bodies and hooks of domains, projects, users, groups, roles, services, endpoints, regions.
May not: handle requests; crud.py does.
Crash story: pure functions and rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, StrictBool

from services.standins.identity.crud import Resource
from services.standins.identity.model import DEFAULT_DOMAIN_ID, Model
from services.standins.identity.passwords import hash_password
from services.standins.store import Doc
from services.standins.web import Call, Fault, OpenBody

Name = Field(min_length=1, max_length=255)


class DomainBody(OpenBody):
    name: str = Field(min_length=1, max_length=64)
    description: str | None = ""
    enabled: bool = True
    tags: list[str] = Field(default_factory=list)
    options: dict[str, object] = Field(default_factory=dict)


class ProjectBody(DomainBody):
    domain_id: str | None = None
    parent_id: str | None = None
    is_domain: bool = False


class UserBody(OpenBody):
    name: str = Name
    domain_id: str | None = None
    password: str | None = None
    enabled: bool = True
    default_project_id: str | None = None
    email: str | None = None
    description: str | None = None
    options: dict[str, object] = Field(default_factory=dict)


class GroupBody(OpenBody):
    name: str = Field(min_length=1, max_length=64)
    domain_id: str | None = None
    description: str | None = ""


class RoleBody(OpenBody):
    name: str = Name
    domain_id: str | None = None
    description: str | None = None
    options: dict[str, object] = Field(default_factory=dict)


class ServiceBody(OpenBody):
    type: str = Name
    name: str = ""
    enabled: bool = True
    description: str | None = ""


class EndpointBody(OpenBody):
    service_id: str
    interface: Literal["public", "internal", "admin"]
    url: str = Field(min_length=1)
    region: str | None = None
    region_id: str | None = None
    enabled: StrictBool = True


class RegionBody(OpenBody):
    id: str | None = Field(default=None, max_length=255)
    description: str | None = ""
    parent_region_id: str | None = None


def resources(model: Model) -> Iterable[Resource]:
    """All rows; see `Resource` for the columns."""
    rules = _Rules(model)
    yield Resource(
        "domain",
        "domains",
        model.domains,
        DomainBody,
        ("name", "enabled", "tags"),
        may_see=lambda call, doc: (
            doc is not None and doc["id"] in {call.caller.domain_id, call.caller.user_domain_id}
        ),
        prepare=rules.prepare_domain,
        remove=rules.remove_domain,
    )
    yield Resource(
        "project",
        "projects",
        model.projects,
        ProjectBody,
        ("name", "domain_id", "enabled", "parent_id", "is_domain", "tags"),
        domain_owned=True,
        may_see=lambda call, doc: doc is not None and doc["id"] == call.caller.project_id,
        prepare=rules.prepare_project,
        remove=rules.remove_project,
    )
    yield Resource(
        "user",
        "users",
        model.users,
        UserBody,
        ("name", "domain_id", "enabled"),
        domain_owned=True,
        may_see=lambda call, doc: doc is not None and doc["id"] == call.caller.user_id,
        prepare=rules.prepare_user,
        remove=lambda _, doc: model.delete_user(doc["id"]),
    )
    yield Resource(
        "group",
        "groups",
        model.groups,
        GroupBody,
        ("name", "domain_id"),
        domain_owned=True,
        remove=lambda _, doc: model.delete_group(doc["id"]),
    )
    yield Resource(
        "role",
        "roles",
        model.roles,
        RoleBody,
        ("name", "domain_id"),
        prepare=rules.prepare_role,
        remove=lambda _, doc: model.delete_role(doc["id"]),
    )
    yield Resource(
        "service",
        "services",
        model.services,
        ServiceBody,
        ("name", "type"),
        unique_name=False,
        remove=lambda _, doc: model.delete_service(doc["id"]),
    )
    yield Resource(
        "endpoint",
        "endpoints",
        model.endpoints,
        EndpointBody,
        ("interface", "service_id", "region_id"),
        unique_name=False,
        prepare=rules.prepare_endpoint,
        shape=rules.shape_endpoint,
    )
    yield Resource(
        "region",
        "regions",
        model.regions,
        RegionBody,
        ("parent_region_id",),
        unique_name=False,
        id_from_caller=True,
        may_see=lambda call, doc: True,  # noqa: ARG005
        prepare=rules.prepare_region,
        remove=rules.remove_region,
    )


class _Rules:
    """The hooks."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def remove_domain(self, _: Call, doc: Doc) -> None:
        if doc["enabled"]:
            raise Fault(403, "Cannot delete a domain that is enabled, please disable it first.")
        if doc["id"] == DEFAULT_DOMAIN_ID:
            raise Fault(403, "The default domain cannot be deleted.")
        self._model.delete_domain(doc["id"])

    def _ended(self, doc: Doc, old: Doc | None) -> Doc:
        """`doc`, with all tokens that stand on it ended if this disables it."""
        if old is None or not old["enabled"] or doc["enabled"]:
            return doc
        return {**doc, "_tokens_valid_from": self._model.clock.utcnow().timestamp()}

    def prepare_domain(self, _: Call, new: Doc, old: Doc | None) -> Doc:
        return self._ended(new, old)

    def prepare_project(self, _: Call, new: Doc, old: Doc | None) -> Doc:
        if new["is_domain"]:
            raise Fault(400, "Invalid input for is_domain: use /v3/domains to create a domain")
        parent_id = new["parent_id"] or new["domain_id"]
        parent = self._model.projects.get(parent_id)
        if parent is None and parent_id not in self._model.domains:
            raise Fault(404, f"Could not find project: {parent_id}.")
        if old is not None and old["parent_id"] != parent_id:
            raise Fault(403, "Update of parent_id is not allowed.")
        if parent is not None and parent["domain_id"] != new["domain_id"]:
            raise Fault(400, "Invalid input for parent_id: a project is in its parent's domain")
        return self._ended({**new, "parent_id": parent_id}, old)

    def remove_project(self, _: Call, doc: Doc) -> None:
        if self._model.projects.count("parent", doc["id"]):
            raise Fault(403, f"Cannot delete the project {doc['id']}: others are below it.")
        self._model.delete_project(doc["id"])

    def prepare_user(self, _: Call, new: Doc, old: Doc | None) -> Doc:
        doc = {**new, "password_expires_at": None}
        doc.setdefault("_password", None)
        if "password" in doc:
            password = doc.pop("password")
            if password is not None:
                doc = self.with_password(doc, password)
        return self._ended(doc, old)

    def with_password(self, user: Doc, password: str) -> Doc:
        """The user with a new password, which ends all earlier tokens."""
        return {
            **user,
            "_password": hash_password(password, self._model.ids),
            "_tokens_valid_from": self._model.clock.utcnow().timestamp(),
        }

    def prepare_role(self, _: Call, new: Doc, old: Doc | None) -> Doc:  # noqa: ARG002
        if new["domain_id"] is not None and new["domain_id"] not in self._model.domains:
            raise Fault(404, f"Could not find domain: {new['domain_id']}.")
        return new

    def prepare_endpoint(self, _: Call, new: Doc, old: Doc | None) -> Doc:  # noqa: ARG002
        doc = dict(new)
        # `region` is the older name; what an update sends under either name counts.
        region = doc.pop("region", None)
        doc["region_id"] = region if region is not None else doc.get("region_id")
        if doc["service_id"] not in self._model.services:
            raise Fault(400, f"Endpoint service_id {doc['service_id']} is not a service.")
        if doc["region_id"] and doc["region_id"] not in self._model.regions:
            region_doc = {"id": doc["region_id"], "description": "", "parent_region_id": None}
            self._model.regions.put(region_doc)
        return doc

    def shape_endpoint(self, call: Call, doc: Doc) -> Doc:
        # Listed as it was given, but for the address that only a request can tell.
        url = doc["url"].replace("$(base_url)s", call.base_url)
        return {**doc, "region": doc["region_id"], "url": url}

    def prepare_region(self, _: Call, new: Doc, old: Doc | None) -> Doc:  # noqa: ARG002
        parent = new["parent_region_id"]
        if parent is not None and parent not in self._model.regions:
            raise Fault(404, f"Could not find region: {parent}.")
        return new

    def remove_region(self, _: Call, doc: Doc) -> None:
        if any(e["region_id"] == doc["id"] for e in self._model.endpoints):
            raise Fault(409, f"Region {doc['id']} has endpoints.")
        self._model.regions.delete(doc["id"])

"""The operations that every network resource has.

Owns: list, show, create (one or many), update, delete, tags; who may see and change.
May not: know what is special about a resource; subclasses do.
Crash story: see store.py; a bulk create is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from services.standins.network import query
from services.standins.network.model import Model, not_found, owns
from services.standins.network.quotas import check_quota
from services.standins.store import Collection, Doc
from services.standins.web import (
    Body,
    Call,
    Fault,
    Reply,
    Route,
    complete,
    parse,
    parse_changes,
    parse_inner,
)


class StandardBody(Body):
    """Fields of every network resource's body."""

    name: str = Field(default="", max_length=255)
    description: str = Field(default="", max_length=255)
    project_id: str | None = None
    tenant_id: str | None = None


class TagsBody(Body):
    tags: list[str]


class Resource:
    """One collection of the API; subclasses fill in the rules."""

    name: ClassVar[str]
    plural: ClassVar[str]
    kind: ClassVar[str]
    """First part of the error type of a 404."""
    body: ClassVar[type[Body]]
    path: ClassVar[str] = ""
    """Where the URL differs from `plural`."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Cannot be updated."""
    for_admins: ClassVar[frozenset[str]] = frozenset()
    """May be given by administrators only."""
    updatable: ClassVar[bool] = True

    def __init__(self, model: Model, collection: Collection) -> None:
        self.model = model
        self.docs = collection

    def routes(self) -> Iterable[Route]:
        base = "/v2.0/" + (self.path or self.plural)
        yield Route("GET", base, self.list)
        yield Route("POST", base, self.create)
        yield Route("GET", base + "/{id}", self.show)
        yield Route("DELETE", base + "/{id}", self.delete)
        if self.updatable:
            yield Route("PUT", base + "/{id}", self.update)
            yield Route("GET", base + "/{id}/tags", self.tags)
            yield Route("PUT", base + "/{id}/tags", self.set_tags)
            yield Route("DELETE", base + "/{id}/tags", self.clear_tags)
            yield Route("GET", base + "/{id}/tags/{tag}", self.has_tag)
            yield Route("PUT", base + "/{id}/tags/{tag}", self.add_tag)
            yield Route("DELETE", base + "/{id}/tags/{tag}", self.remove_tag)

    # What subclasses say about themselves.

    def visible(self, call: Call, doc: Doc) -> bool:
        return owns(call.caller, doc)

    def view(self, call: Call, doc: Doc) -> Doc:  # noqa: ARG002
        return {k: v for k, v in doc.items() if not k.startswith("_")}

    def candidates(self, call: Call) -> Iterable[Doc]:
        """A superset of what the query can match, by index where there is one."""
        if "id" in call.query:
            found = (self.docs.get(i) for i in dict.fromkeys(call.query.getall("id")))
            return [doc for doc in found if doc is not None]
        if not call.caller.is_admin:
            return self.docs
        for name in ("project_id", "tenant_id"):
            values = call.query.getall(name, [])
            if len(values) == 1:
                return self.docs.find("project", values[0])
        return self.docs

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        """The new document from a checked body (an instance of `body`), already kept."""
        raise NotImplementedError

    def change(self, call: Call, old: Doc, changes: Doc) -> Doc:  # noqa: ARG002
        """The document after an update, not yet kept."""
        return {**old, **changes}

    def remove(self, call: Call, doc: Doc) -> None:  # noqa: ARG002
        self.docs.delete(doc["id"])

    # The operations.

    def need(self, call: Call, *, to_change: bool = False) -> Doc:
        doc = self.docs.get(call.param("id"))
        if doc is None or not self.visible(call, doc):
            raise not_found(self.kind, call.param("id"))
        if to_change and not owns(call.caller, doc):
            raise self._forbidden("change", doc["id"])
        return doc

    def list(self, call: Call) -> Reply:
        docs = [d for d in self.candidates(call) if self.visible(call, d)]
        return self.list_reply(call, query.matching(docs, call.query))

    def list_reply(self, call: Call, docs: Sequence[Doc]) -> Reply:
        shown, more = query.arrange(docs, call.query)
        body: Doc = {self.plural: [query.cut(self.view(call, d), call.query) for d in shown]}
        if more:
            url = call.request.rel_url.update_query(marker=shown[-1]["id"])
            body[f"{self.plural}_links"] = [{"rel": "next", "href": f"{call.base_url}{url}"}]
        return Reply(body=body)

    def show(self, call: Call) -> Reply:
        view = query.cut(self.view(call, self.need(call)), call.query)
        return Reply(body={self.name: view})

    def create(self, call: Call) -> Reply:
        many = call.body.get(self.plural)
        if many is None:
            doc = self._create(call, parse(self.body, call.body, self.name))
            return Reply(201, {self.name: self.view(call, doc)})
        if not isinstance(many, list):
            raise Fault(400, f"Invalid input for {self.plural}: not a list", "HTTPBadRequest")
        docs = [self._create(call, parse_inner(self.body, one)) for one in many]
        return Reply(201, {self.plural: [self.view(call, doc) for doc in docs]})

    def _create(self, call: Call, sent: Any) -> Doc:
        project_id = sent.project_id or sent.tenant_id or call.caller.project_id
        if not call.caller.is_admin:
            self._refuse_admin_fields(complete(sent).keys() & _sent_names(sent))
            if project_id != call.caller.project_id:
                raise self._forbidden("create", f"for project {project_id}")
        check_quota(self.model, project_id, self.name, self.docs)
        return self.build(call, sent, project_id)

    def update(self, call: Call) -> Reply:
        old = self.need(call, to_change=True)
        changes = parse_changes(self.body, call.body, self.name, old)
        for name in sorted((self.fixed | {"project_id", "tenant_id"}) & changes.keys()):
            if changes[name] != old.get(name):
                raise Fault(400, f"Cannot update read-only attribute {name}", "HTTPBadRequest")
        if not call.caller.is_admin:
            self._refuse_admin_fields(changes.keys())
        doc = self.docs.put(self.model.changed(self.change(call, old, changes)))
        return Reply(200, {self.name: self.view(call, doc)})

    def delete(self, call: Call) -> Reply:
        self.remove(call, self.need(call, to_change=True))
        return Reply(204)

    def _refuse_admin_fields(self, names: Iterable[str]) -> None:
        if refused := sorted(self.for_admins & set(names)):
            raise self._forbidden("set", f"{refused[0]} of a {self.name}")

    def _forbidden(self, verb: str, what: str) -> Fault:
        return Fault(403, f"Policy does not allow you to {verb} {what}.", "PolicyNotAuthorized")

    # Tags.

    def tags(self, call: Call) -> Reply:
        return Reply(body={"tags": self.need(call)["tags"]})

    def _put_tags(self, call: Call, tags: Iterable[str]) -> Doc:
        doc = self.need(call, to_change=True)
        return self.docs.put(self.model.changed({**doc, "tags": list(dict.fromkeys(tags))}))

    def set_tags(self, call: Call) -> Reply:
        doc = self._put_tags(call, parse_inner(TagsBody, call.body).tags)
        return Reply(body={"tags": doc["tags"]})

    def clear_tags(self, call: Call) -> Reply:
        self._put_tags(call, [])
        return Reply(204)

    def has_tag(self, call: Call) -> Reply:
        if call.param("tag") not in self.need(call)["tags"]:
            raise not_found("Tag", call.param("tag"))
        return Reply(204)

    def add_tag(self, call: Call) -> Reply:
        self._put_tags(call, [*self.need(call)["tags"], call.param("tag")])
        return Reply(201)

    def remove_tag(self, call: Call) -> Reply:
        self.has_tag(call)
        self._put_tags(call, [t for t in self.need(call)["tags"] if t != call.param("tag")])
        return Reply(204)


def _sent_names(sent: Body) -> set[str]:
    fields = type(sent).model_fields
    return {fields[name].alias or name for name in sent.model_fields_set}

"""The five operations that every identity resource has.

Owns: list, show, create, update, delete over one collection, driven by a `Resource` row.
May not: know what is special about a resource; the row carries hooks for that.
Crash story: see store.py; each operation is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.standins.identity import views
from services.standins.identity.model import Model
from services.standins.store import Collection, Doc
from services.standins.web import (
    Call,
    Fault,
    OpenBody,
    Reply,
    Route,
    complete,
    parse,
    parse_changes,
)

BOOLEAN_WORDS = {"0": False, "false": False, "1": True, "true": True, "": True}


def may_see_nothing(call: Call, doc: Doc | None) -> bool:  # noqa: ARG001
    """The default: management is for administrators."""
    return False


@dataclass(frozen=True, slots=True)
class Resource:
    """One row: what a resource is called, holds and needs."""

    name: str
    plural: str
    collection: Collection
    body: type[OpenBody]
    filters: tuple[str, ...] = ("name",)
    domain_owned: bool = False
    """Has `domain_id`, by default the caller's; the name is unique within it."""
    unique_name: bool = True
    id_from_caller: bool = False
    may_see: Callable[[Call, Doc | None], bool] = may_see_nothing
    """Who besides an administrator; the document is None for the list."""
    prepare: Callable[[Call, Doc, Doc | None], Doc] = lambda call, new, old: new  # noqa: ARG005
    """Completes or refuses a document before it is kept; `old` is None on create."""
    remove: Callable[[Call, Doc], None] | None = None
    """Deletes the document and what falls with it."""
    shape: Callable[[Call, Doc], Doc] = lambda call, doc: doc  # noqa: ARG005
    """How a document is shown, where that differs from how it is kept."""
    fixed: frozenset[str] = field(default=frozenset({"id", "domain_id", "links"}))


class Crud:
    def __init__(self, model: Model, resource: Resource) -> None:
        self._model = model
        self._r = resource

    def routes(self) -> Iterable[Route]:
        one = f"/v3/{self._r.plural}/{{id}}"
        yield Route("GET", f"/v3/{self._r.plural}", self.list)
        yield Route("POST", f"/v3/{self._r.plural}", self.create)
        yield Route("GET", one, self.show)
        yield Route("PATCH", one, self.update)
        yield Route("DELETE", one, self.delete)
        if self._r.id_from_caller:
            yield Route("PUT", one, self.create)

    def list(self, call: Call) -> Reply:
        self._authorize(call, None, f"identity:list_{self._r.plural}")
        docs = select(self._r.collection, call, self._r.filters)
        shown = [self._r.shape(call, doc) for doc in docs]
        return Reply(body=views.listing(shown, self._r.plural, call.base_url))

    def show(self, call: Call) -> Reply:
        doc = self._r.collection.get(call.param("id"))
        self._authorize(call, doc, f"identity:get_{self._r.name}")
        return self._one(call, doc or self._missing(call.param("id")), 200)

    def create(self, call: Call) -> Reply:
        call.require_admin(f"identity:create_{self._r.name}")
        doc = complete(parse(self._r.body, call.body, self._r.name))
        chosen = call.request.match_info.get("id") or doc.get("id")
        doc["id"] = chosen if self._r.id_from_caller and chosen else self._model.new_id()
        if self._r.id_from_caller and doc["id"] in self._r.collection:
            raise Fault(409, f"Conflict occurred attempting to store {self._r.name}: duplicate ID.")
        if self._r.domain_owned and not doc.get("domain_id"):
            doc["domain_id"] = call.caller.domain_id or call.caller.user_domain_id
        doc = self._r.prepare(call, doc, None)
        self._check_domain(doc)
        self._check_name(doc)
        self._r.collection.put(doc)
        return self._one(call, doc, 201)

    def update(self, call: Call) -> Reply:
        call.require_admin(f"identity:update_{self._r.name}")
        old = self._r.collection.get(call.param("id")) or self._missing(call.param("id"))
        changes = parse_changes(self._r.body, call.body, self._r.name, views.visible(old))
        for name in self._r.fixed & changes.keys():
            if name != "links" and changes[name] != old.get(name):
                raise Fault(400, f"Cannot change {name} of a {self._r.name}.")
            del changes[name]
        doc = self._r.prepare(call, {**old, **changes}, old)
        self._check_name(doc)
        self._r.collection.put(doc)
        return self._one(call, doc, 200)

    def delete(self, call: Call) -> Reply:
        call.require_admin(f"identity:delete_{self._r.name}")
        doc = self._r.collection.get(call.param("id")) or self._missing(call.param("id"))
        if self._r.remove is not None:
            self._r.remove(call, doc)
        else:
            self._r.collection.delete(doc["id"])
        return Reply(204)

    def _one(self, call: Call, doc: Doc, status: int) -> Reply:
        shown = views.resource(self._r.shape(call, doc), self._r.plural, call.base_url)
        return Reply(status, {self._r.name: shown})

    def _authorize(self, call: Call, doc: Doc | None, action: str) -> None:
        if not self._r.may_see(call, doc):
            call.require_admin(action)

    def _missing(self, doc_id: str) -> Doc:
        raise Fault(404, f"Could not find {self._r.name}: {doc_id}.")

    def _check_domain(self, doc: Doc) -> None:
        if self._r.domain_owned and doc["domain_id"] not in self._model.domains:
            raise Fault(404, f"Could not find domain: {doc['domain_id']}.")

    def _check_name(self, doc: Doc) -> None:
        if not self._r.unique_name:
            return
        other = self._r.collection.first("name", (doc.get("domain_id"), doc["name"]))
        if other is not None and other["id"] != doc["id"]:
            raise Fault(
                409,
                f"Conflict occurred attempting to store {self._r.name} - Duplicate entry found "
                f"with name {doc['name']}.",
            )


def select(docs: Iterable[Doc], call: Call, filters: Iterable[str]) -> list[Doc]:
    """Documents that match the query exactly; unknown parameters do not filter."""
    found = list(docs)
    for name in filters:
        if (text := call.query.get(name)) is None:
            continue
        if name in {"enabled", "is_domain"}:
            wanted = BOOLEAN_WORDS.get(text.lower(), True)
            found = [d for d in found if d.get(name, False) == wanted]
        elif name == "tags":
            found = [d for d in found if set(text.split(",")) <= set(d.get("tags", ()))]
        else:
            found = [d for d in found if str(d.get(name) or "") == text]
    return found

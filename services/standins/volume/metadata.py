"""Metadata of volumes and of snapshots.

Owns: `/v3/volumes/{id}/metadata` and `/v3/snapshots/{id}/metadata`. May not: touch the metadata
that came with an image (image_metadata.py). Crash story: see model.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import Field

from services.standins.store import Collection, Doc
from services.standins.volume.model import Model
from services.standins.volume.routing import Operation
from services.standins.web import Body, Call, Caller, Fault, Reply, parse_inner

Key = Annotated[str, Field(min_length=1, max_length=255)]
Value = Annotated[str, Field(max_length=255)]
Metadata = dict[Key, Value]


class MetadataBody(Body):
    metadata: Metadata


class ItemBody(Body):
    meta: Metadata = Field(min_length=1, max_length=1)


class MetadataOf:
    """The operations for one kind of record."""

    def __init__(
        self, model: Model, docs: Collection, plural: str, need: Callable[[Caller, str], Doc]
    ) -> None:
        self._model = model
        self._docs = docs
        self._base = f"/{plural}/{{id}}/metadata"
        self._need = need

    def operations(self) -> Iterable[Operation]:
        yield Operation("GET", self._base, self.show)
        yield Operation("POST", self._base, self.merge)
        yield Operation("PUT", self._base, self.replace)
        yield Operation("GET", self._base + "/{key}", self.show_item)
        yield Operation("PUT", self._base + "/{key}", self.set_item)
        yield Operation("DELETE", self._base + "/{key}", self.delete_item)

    def _doc(self, call: Call) -> Doc:
        return self._need(call.caller, call.param("id"))

    def _put(self, doc: Doc, metadata: Doc) -> Reply:
        self._docs.put(self._model.changed(doc, metadata=metadata))
        return Reply(body={"metadata": metadata})

    def show(self, call: Call) -> Reply:
        return Reply(body={"metadata": self._doc(call)["metadata"]})

    def merge(self, call: Call) -> Reply:
        doc = self._doc(call)
        sent = parse_inner(MetadataBody, call.body).metadata
        return self._put(doc, {**doc["metadata"], **sent})

    def replace(self, call: Call) -> Reply:
        return self._put(self._doc(call), parse_inner(MetadataBody, call.body).metadata)

    def show_item(self, call: Call) -> Reply:
        key = call.param("key")
        return Reply(body={"meta": {key: self._item(self._doc(call), key)}})

    def set_item(self, call: Call) -> Reply:
        doc, key = self._doc(call), call.param("key")
        sent = parse_inner(ItemBody, call.body).meta
        if key not in sent:
            raise Fault(400, "Request body and URI mismatch: they name different keys.")
        self._put(doc, {**doc["metadata"], **sent})
        return Reply(body={"meta": sent})

    def delete_item(self, call: Call) -> Reply:
        doc, key = self._doc(call), call.param("key")
        self._item(doc, key)
        self._put(doc, {name: value for name, value in doc["metadata"].items() if name != key})
        return Reply(200)

    def _item(self, doc: Doc, key: str) -> str:
        if key not in doc["metadata"]:
            raise Fault(404, f"Metadata item {key} of {doc['id']} was not found.")
        return str(doc["metadata"][key])

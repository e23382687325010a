"""What the volume stand-in keeps.

Owns: the collections and their indexes, who may see what, the words for what is missing.
May not: know HTTP beyond `Fault`.
Crash story: all state is in the store. Everything asked for is done before the answer leaves, so
nothing is ever half made.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from common.runtime.ports import Clock, Ids
from services.standins.store import Collection, Doc, Keys, Store
from services.standins.web import Caller, Fault

ZONE = "nova"
HOST = "muster@standin#standin"
DEFAULT_TYPE = "__DEFAULT__"
MULTIATTACH = "<is> True"
"""How an extra spec says yes."""


def _field(name: str) -> Keys:
    return lambda doc: [doc[name]]


_project = _field("project_id")


class Model:
    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.volumes = store.collection(
            "volume.volume",
            project=_project,
            type=_field("type_id"),
            project_type=lambda d: [(d["project_id"], d["type_id"])],
        )
        self.attachments = store.collection(
            "volume.attachment", volume=_field("volume_id"), server=_field("instance")
        )
        self.snapshots = store.collection(
            "volume.snapshot", project=_project, volume=_field("volume_id")
        )
        self.types = store.collection("volume.type", name=_field("name"))
        self.quotas = store.collection("volume.quota")

    def stamp(self) -> str:
        """The service's times have no zone: they are UTC."""
        return self.clock.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")

    def new_id(self) -> str:
        return str(self.ids.uuid())

    def changed(self, doc: Doc, **changes: object) -> Doc:
        return {**doc, **changes, "updated_at": self.stamp()}

    def put_volume(self, doc: Doc, **changes: object) -> Doc:
        return self.volumes.put(self.changed(doc, **changes))

    def need_volume(self, caller: Caller, volume_id: str) -> Doc:
        """The volume, or 404 for one that is not there or not the caller's."""
        return _need(self.volumes, caller, volume_id, "Volume")

    def need_snapshot(self, caller: Caller, snapshot_id: str) -> Doc:
        return _need(self.snapshots, caller, snapshot_id, "Snapshot")

    def need_attachment(self, caller: Caller, attachment_id: str) -> Doc:
        doc = self.attachments.get(attachment_id)
        if doc is None or not owns(caller, doc):
            raise Fault(404, f"Volume attachment {attachment_id} could not be found.")
        return doc

    def need_type(self, caller: Caller, name_or_id: str) -> Doc:
        doc = self.types.get(name_or_id) or self.types.first("name", name_or_id)
        if doc is None or not type_visible(caller, doc):
            raise Fault(404, f"Volume type {name_or_id} could not be found.")
        return doc

    def attached(self, volume_id: str) -> list[Doc]:
        """Attachments by which a host really has the volume."""
        found = self.attachments.find("volume", volume_id)
        return [doc for doc in found if doc["status"] == "attached"]

    def servers_of(self, volume_id: str) -> Iterable[str]:
        """Servers with any attachment to the volume, each once."""
        found = self.attachments.find("volume", volume_id)
        return dict.fromkeys(doc["instance"] for doc in found if doc["instance"])


def _need(collection: Collection, caller: Caller, doc_id: str, kind: str) -> Doc:
    doc = collection.get(doc_id)
    if doc is None or not owns(caller, doc):
        raise Fault(404, f"{kind} {doc_id} could not be found.")
    return doc


def owns(caller: Caller, doc: Doc) -> bool:
    return caller.is_admin or (bool(caller.project_id) and doc["project_id"] == caller.project_id)


def type_visible(caller: Caller, doc: Doc) -> bool:
    return caller.is_admin or doc["is_public"] or caller.project_id in doc["projects"]


def is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True

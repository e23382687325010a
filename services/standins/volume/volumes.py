"""Volumes: list, show, create, update, delete.

Owns: `/v3/volumes`. May not: attach (attachments.py) or act (actions.py).
Crash story: see model.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from services.standins.store import Doc
from services.standins.volume import query, views
from services.standins.volume.creating import CreateBody, Creating
from services.standins.volume.metadata import Metadata
from services.standins.volume.model import Model, owns
from services.standins.volume.routing import Operation, minor
from services.standins.web import Body, Call, Fault, Reply, parse

SORT_KEYS = frozenset({"id", "name", "status", "size", "bootable", "created_at", "updated_at",
                       "availability_zone", "description"})  # fmt: skip
FILTERS: query.Filters = {
    name: lambda doc, name=name: doc[name]  # type: ignore[misc]
    for name in (
        "id", "name", "description", "status", "size", "bootable", "metadata", "availability_zone",
        "user_id", "multiattach", "encrypted", "snapshot_id", "source_volid", "encryption_key_id",
    )
}  # fmt: skip
DELETABLE = frozenset({"available", "error", "error_deleting", "error_restoring",
                       "error_extending"})  # fmt: skip


class UpdateBody(Body):
    name: str | None = Field(default=None, max_length=255)
    display_name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    display_description: str | None = Field(default=None, max_length=255)
    metadata: Metadata | None = None


class Volumes:
    def __init__(self, model: Model, creating: Creating) -> None:
        self._model = model
        self._creating = creating

    def operations(self) -> Iterable[Operation]:
        yield Operation("GET", "/volumes", self.list_short)
        yield Operation("GET", "/volumes/detail", self.list_detail)
        yield Operation("GET", "/volumes/summary", self.summary, since=12)
        yield Operation("POST", "/volumes", self.create)
        yield Operation("GET", "/volumes/{id}", self.show)
        yield Operation("PUT", "/volumes/{id}", self.update)
        yield Operation("DELETE", "/volumes/{id}", self.delete)
        yield Operation("GET", "/volumes/{id}/encryption", self.encryption)
        yield Operation("GET", "/volumes/{id}/encryption/{key}", self.encryption)

    def view(self, call: Call, doc: Doc, *, detail: bool = True) -> Doc:
        """The whole record; without `detail` as a create answers it."""
        return views.record(views.VOLUME, call, self._seen(call, doc), detail=detail)

    def _seen(self, call: Call, doc: Doc) -> views.Seen:
        attached = self._model.attached(doc["id"])
        kind = self._model.types.get(doc["type_id"] or "")
        return views.Seen(doc, call.base_url, call.caller.is_admin, kind, attached)

    def _found(self, call: Call) -> list[Doc]:
        docs = listed(call, self._model.volumes)
        filters = {**FILTERS, "volume_type": self._type_names}
        return query.matching(docs, call.query, filters)

    def _type_names(self, doc: Doc) -> list[str]:
        kind = self._model.types.get(doc["type_id"] or "")
        return [kind["id"], kind["name"]] if kind else []

    def list_short(self, call: Call) -> Reply:
        def view(doc: Doc) -> Doc:
            return views.record(views.SHORT, call, self._seen(call, doc), detail=False)

        docs, version = self._found(call), minor(call)
        return Reply(
            body=query.answer(call, "volumes", docs, view, sort_keys=SORT_KEYS, version=version)
        )

    def list_detail(self, call: Call) -> Reply:
        docs, version = self._found(call), minor(call)

        def view(doc: Doc) -> Doc:
            return self.view(call, doc)

        return Reply(
            body=query.answer(call, "volumes", docs, view, sort_keys=SORT_KEYS, version=version)
        )

    def summary(self, call: Call) -> Reply:
        docs = self._found(call)
        total: Doc = {"total_size": sum(doc["size"] for doc in docs), "total_count": len(docs)}
        if minor(call) >= 36:
            metadata: dict[str, dict[str, None]] = {}
            for doc in docs:
                for key, value in doc["metadata"].items():
                    metadata.setdefault(key, {})[value] = None
            total["metadata"] = {key: list(values) for key, values in metadata.items()}
        return Reply(body={"volume-summary": total})

    def show(self, call: Call) -> Reply:
        doc = self._model.need_volume(call.caller, call.param("id"))
        return Reply(body={"volume": self.view(call, doc)})

    def create(self, call: Call) -> Reply:
        doc = self._creating.make(call, parse(CreateBody, call.body, "volume"))
        # It is made already, but clients know that it is not: they ask until it is available.
        answer = {**self.view(call, doc, detail=False), "status": "creating"}
        return Reply(202, {"volume": answer})

    def update(self, call: Call) -> Reply:
        old = self._model.need_volume(call.caller, call.param("id"))
        sent = parse(UpdateBody, call.body, "volume").model_dump(exclude_unset=True)
        changes = {query.OTHER_NAMES.get(name, name): value for name, value in sent.items()}
        if not changes:
            raise Fault(400, "Missing required element: nothing to update.")
        if changes.get("metadata", {}) is None:
            raise Fault(400, "Invalid input for metadata: it is not an object.")
        doc = self._model.put_volume(old, **changes)
        return Reply(body={"volume": self.view(call, doc, detail=False)})

    def delete(self, call: Call) -> Reply:
        force = query.truth(call.query.get("force", "false"))
        if force:
            call.require_admin("volume:force_delete")
        doc = self._model.need_volume(call.caller, call.param("id"))
        cascade = query.truth(call.query.get("cascade", "false"))
        delete_volume(self._model, doc, cascade=cascade, force=force)
        return Reply(202)

    def encryption(self, call: Call) -> Reply:
        """What a host needs to open the volume; empty for one that is not encrypted."""
        doc = self._model.need_volume(call.caller, call.param("id"))
        kind = self._model.types.get(doc["type_id"] or "")
        shown: Doc = {}
        if doc["encrypted"] and kind and kind["encryption"]:
            names = ("provider", "cipher", "key_size", "control_location")
            shown = {name: kind["encryption"][name] for name in names}
            shown["encryption_key_id"] = doc["encryption_key_id"]
        if (key := call.request.match_info.get("key")) is not None:
            if key not in shown:
                raise Fault(404, f"Volume {doc['id']} has no encryption {key}.")
            return Reply(body={key: shown[key]})
        return Reply(body=shown)


def listed(call: Call, docs: Iterable[Doc]) -> list[Doc]:
    """What the caller's list is of: their project's, or for an administrator who asks, all."""
    caller, wanted = call.caller, call.query
    if not (caller.is_admin and query.truth(wanted.get("all_tenants", "false"))):
        return [doc for doc in docs if doc["project_id"] == caller.project_id]
    project = wanted.get("project_id", wanted.get("tenant_id"))
    return [doc for doc in docs if owns(caller, doc) and project in {None, doc["project_id"]}]


def delete_volume(model: Model, doc: Doc, *, cascade: bool = False, force: bool = False) -> None:
    """Remove a volume nobody uses; its snapshots as well if they may go."""
    volume_id = doc["id"]
    if model.attachments.count("volume", volume_id):
        raise Fault(400, f"Invalid volume: Volume {volume_id} is attached or reserved.")
    if doc["status"] not in DELETABLE and not force:
        raise Fault(
            400,
            f"Invalid volume: Volume status must be available or an error to delete it, but volume"
            f" {volume_id} is {doc['status']}.",
        )
    snapshots = model.snapshots.find("volume", volume_id)
    if snapshots and not cascade:
        raise Fault(
            400, f"Invalid volume: Volume {volume_id} still has {len(snapshots)} snapshots."
        )
    for snapshot in snapshots:
        model.snapshots.delete(snapshot["id"])
    model.volumes.delete(volume_id)

"""Snapshots of volumes.

Owns: `/v3/snapshots` and their actions. May not: touch the volume. Crash story: see model.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from services.standins.store import Doc
from services.standins.volume import query, views
from services.standins.volume.metadata import Metadata
from services.standins.volume.model import Model
from services.standins.volume.quotas import check_quota
from services.standins.volume.routing import Operation, minor
from services.standins.volume.volumes import listed
from services.standins.web import Body, Call, Fault, Reply, parse, parse_inner

SORT_KEYS = frozenset({"id", "name", "status", "size", "volume_id", "created_at", "updated_at",
                       "description"})  # fmt: skip
FILTERS: query.Filters = {
    name: lambda doc, name=name: doc[name]  # type: ignore[misc]
    for name in ("id", "name", "description", "status", "volume_id", "metadata", "user_id", "size")
}
STATUSES = frozenset({"available", "creating", "deleting", "error", "error_deleting"})
BY_HOST = {
    "creating": frozenset({"creating", "available", "error"}),
    "deleting": frozenset({"deleting", "error_deleting"}),
}
"""What a host that makes or deletes a snapshot may say of one in which status."""
FREE_IN_USE_SINCE = 66
"""From here on a volume in use needs no `force`."""


class CreateBody(Body):
    volume_id: str
    name: str | None = Field(default=None, max_length=255)
    display_name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    display_description: str | None = Field(default=None, max_length=255)
    force: bool | None = None
    metadata: Metadata | None = None


class UpdateBody(Body):
    name: str | None = Field(default=None, max_length=255)
    display_name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    display_description: str | None = Field(default=None, max_length=255)


class StatusBody(Body):
    status: str
    progress: str | None = None


class Snapshots:
    def __init__(self, model: Model) -> None:
        self._model = model

    def operations(self) -> Iterable[Operation]:
        yield Operation("GET", "/snapshots", self.list_short)
        yield Operation("GET", "/snapshots/detail", self.list_detail)
        yield Operation("POST", "/snapshots", self.create)
        yield Operation("GET", "/snapshots/{id}", self.show)
        yield Operation("PUT", "/snapshots/{id}", self.update)
        yield Operation("DELETE", "/snapshots/{id}", self.delete)
        yield Operation("POST", "/snapshots/{id}/action", self.act)

    def _list(self, call: Call, *, detail: bool) -> Reply:
        docs = query.matching(listed(call, self._model.snapshots), call.query, FILTERS)

        def view(doc: Doc) -> Doc:
            return views.snapshot(call, doc, detail=detail)

        body = query.answer(call, "snapshots", docs, view, sort_keys=SORT_KEYS, version=minor(call))
        return Reply(body=body)

    def list_short(self, call: Call) -> Reply:
        return self._list(call, detail=False)

    def list_detail(self, call: Call) -> Reply:
        return self._list(call, detail=True)

    def show(self, call: Call) -> Reply:
        doc = self._need(call)
        return Reply(body={"snapshot": views.snapshot(call, doc, detail=True)})

    def _need(self, call: Call) -> Doc:
        return self._model.need_snapshot(call.caller, call.param("id"))

    def create(self, call: Call) -> Reply:
        sent = parse(CreateBody, call.body, "snapshot")
        volume = self._model.need_volume(call.caller, sent.volume_id)
        free = minor(call) >= FREE_IN_USE_SINCE
        if free and sent.force is False:
            raise Fault(400, "Invalid input for force: false means nothing from version 3.66 on.")
        allowed = {"available", "in-use"} if sent.force or free else {"available"}
        if volume["status"] not in allowed:
            raise Fault(
                400,
                f"Invalid volume: Volume {volume['id']} status must be"
                f" {' or '.join(sorted(allowed))}, but the current status is: {volume['status']}.",
            )
        kind = self._model.types.get(volume["type_id"] or "")
        project_id = volume["project_id"]
        check_quota(self._model, project_id, kind, snapshots=1, gigabytes=volume["size"])
        now = self._model.stamp()
        taken = ("size", "type_id", "bootable", "image_metadata")
        doc = self._model.snapshots.put(
            {
                "id": self._model.new_id(),
                "name": sent.name if sent.name is not None else sent.display_name,
                "description": sent.description or sent.display_description,
                "status": "available",
                "volume_id": volume["id"],
                "metadata": sent.metadata or {},
                "progress": "100%",
                "user_id": call.caller.user_id,
                "project_id": project_id,
                "created_at": now,
                "updated_at": now,
                **{name: volume[name] for name in taken},
            }
        )
        shown = {**views.snapshot(call, doc, detail=False), "status": "creating"}
        return Reply(202, {"snapshot": shown})

    def update(self, call: Call) -> Reply:
        old = self._need(call)
        sent = parse(UpdateBody, call.body, "snapshot").model_dump(exclude_unset=True)
        changes = {query.OTHER_NAMES.get(name, name): value for name, value in sent.items()}
        if not changes:
            raise Fault(400, "Missing required element: nothing to update.")
        doc = self._put(old, **changes)
        return Reply(body={"snapshot": views.snapshot(call, doc, detail=False)})

    def _put(self, doc: Doc, **changes: Any) -> Doc:
        return self._model.snapshots.put(self._model.changed(doc, **changes))

    def delete(self, call: Call) -> Reply:
        doc = self._need(call)
        if doc["status"] not in {"available", "error", "error_deleting"}:
            raise Fault(
                400,
                f"Invalid snapshot: Snapshot {doc['id']} cannot be deleted while its status is"
                f" {doc['status']}.",
            )
        self._model.snapshots.delete(doc["id"])
        return Reply(202)

    def act(self, call: Call) -> Reply:
        action = next(iter(call.body), "")
        doc = self._need(call)
        call.require_admin(f"volume_extension:snapshot_admin_actions:{action}")
        if action == "os-force_delete":
            self._model.snapshots.delete(doc["id"])
        elif action in {"os-reset_status", "os-update_snapshot_status"}:
            sent = parse_inner(StatusBody, call.body[action])
            by_host = action == "os-update_snapshot_status"
            if sent.status not in (BY_HOST.get(doc["status"], ()) if by_host else STATUSES):
                raise Fault(
                    400, f"Invalid snapshot: it is {doc['status']} and cannot be {sent.status} now."
                )
            progress = sent.progress if sent.progress is not None else doc["progress"]
            self._put(doc, status=sent.status, progress=progress)
        else:
            raise Fault(400, f"There is no such action: {action}")
        return Reply(202)

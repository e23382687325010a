"""What can be done to a volume besides reading and writing its record.

Owns: `POST /v3/volumes/{id}/action`, the table of actions and those that are not about attaching
(connecting.py). May not: wait; an action is done before its answer leaves. Crash story: see
model.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from services.standins.events import Events
from services.standins.store import Doc
from services.standins.volume.creating import Size
from services.standins.volume.images import Images, need_image, remembered
from services.standins.volume.model import HOST, MULTIATTACH, Model
from services.standins.volume.quotas import check_quota
from services.standins.volume.routing import Operation, minor
from services.standins.volume.volumes import delete_volume
from services.standins.web import Body, Call, Fault, Reply, parse_inner

IN_USE_EXTEND_SINCE = 42
STATUSES = frozenset(
    {"creating", "available", "deleting", "error", "error_deleting", "error_managing",
     "error_extending", "managing", "attaching", "detaching", "in-use", "maintenance", "reserved",
     "downloading", "uploading", "retyping", "extending", "backing-up", "restoring-backup",
     "error_backing-up", "error_restoring", "awaiting-transfer"}
)  # fmt: skip


class ExtendBody(Body):
    new_size: Size


class BootableBody(Body):
    bootable: bool


class ReadOnlyBody(Body):
    readonly: bool


class ResetBody(Body):
    status: str | None = None
    attach_status: Literal["detached", "attached"] | None = None
    migration_status: str | None = None


class RetypeBody(Body):
    new_type: str
    migration_policy: Literal["never", "on-demand"] | None = None


class MigrateBody(Body):
    host: str | None = None
    cluster: str | None = None
    force_host_copy: bool = False
    lock_volume: bool = False


class CompleteMigrationBody(Body):
    new_volume: str
    error: bool = False


class ReimageBody(Body):
    image_id: str
    reimage_reserved: bool = False


class RevertBody(Body):
    snapshot_id: str


class UploadBody(Body):
    image_name: str = Field(min_length=1, max_length=255)
    force: bool = False
    disk_format: str | None = None
    container_format: str | None = None
    visibility: str | None = None
    protected: bool = False


Do = Callable[[Call, Doc, Any], Reply]


@dataclass(frozen=True, slots=True)
class Action:
    do: Do
    body: type[Body] = Body
    since: int = 0
    admin: bool = False
    ask: Callable[[Call, Doc], Awaitable[str | None]] | None = None


class Dispatcher:
    """Finds the row of an action, checks its body and calls it."""

    def __init__(self, model: Model, table: Mapping[str, Action]) -> None:
        self._model = model
        self._table = table

    def operations(self) -> Iterable[Operation]:
        yield Operation("POST", "/volumes/{id}/action", self.act, ask=self.ask)

    def _row(self, call: Call) -> tuple[str, Action]:
        name = next(iter(call.body), "")
        row = self._table.get(name)
        if row is None or minor(call) < row.since or len(call.body) != 1:
            raise Fault(400, f"There is no such action: {name}")
        return name, row

    async def ask(self, call: Call) -> str | None:
        name = next(iter(call.body), "")
        row, doc = self._table.get(name), self._model.volumes.get(call.param("id"))
        return await row.ask(call, doc) if row and row.ask and doc else None

    def act(self, call: Call) -> Reply:
        name, row = self._row(call)
        if row.admin:
            call.require_admin(f"volume_extension:volume_admin_actions:{name}")
        doc = self._model.need_volume(call.caller, call.param("id"))
        # Clients send null where there is nothing to say.
        return row.do(call, doc, parse_inner(row.body, call.body[name] or {}))


class Actions:
    """The actions of this file."""

    def __init__(self, model: Model, images: Images, events: Events) -> None:
        self._model = model
        self._images = images
        self._events = events

    def table(self) -> dict[str, Action]:
        return {
            "os-extend": Action(self.extend, ExtendBody),
            "os-extend_volume_completion": Action(self.not_extending, _ErrorBody, 71, admin=True),
            "os-set_bootable": Action(self.set_bootable, BootableBody),
            "os-update_readonly_flag": Action(self.set_read_only, ReadOnlyBody),
            "os-reset_status": Action(self.reset, ResetBody, admin=True),
            "os-retype": Action(self.retype, RetypeBody),
            "os-force_delete": Action(self.force_delete, admin=True),
            "os-migrate_volume": Action(self.migrate, MigrateBody, admin=True),
            "os-migrate_volume_completion": Action(
                self.complete_migration, CompleteMigrationBody, admin=True
            ),
            "os-reimage": Action(self.reimage, ReimageBody, 68),
            "revert": Action(self.revert, RevertBody, 40),
            "os-volume_upload_image": Action(self.upload, UploadBody),
            "os-unmanage": Action(self.unmanage, admin=True),
        }

    def extend(self, call: Call, doc: Doc, sent: ExtendBody) -> Reply:
        in_use = minor(call) >= IN_USE_EXTEND_SINCE
        need_status(doc, {"available", "in-use"} if in_use else {"available"})
        if sent.new_size <= doc["size"]:
            raise Fault(
                400,
                f"Invalid input received: New size for extend must be greater than current size."
                f" (current: {doc['size']}, extended: {sent.new_size}).",
            )
        kind = self._model.types.get(doc["type_id"] or "")
        check_quota(
            self._model,
            doc["project_id"],
            kind,
            gigabytes=sent.new_size - doc["size"],
            one_volume=sent.new_size,
        )
        self._model.put_volume(doc, size=sent.new_size)
        self._tell("volume-extended", doc)
        return Reply(202)

    def _tell(self, event: str, doc: Doc) -> None:
        for server_id in self._model.servers_of(doc["id"]):
            self._events.add(event, server_id, doc["id"])

    def not_extending(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        # An extend is done at once and waits for no host.
        raise Fault(400, f"Invalid volume: Volume {doc['id']} is not being extended.")

    def set_bootable(self, call: Call, doc: Doc, sent: BootableBody) -> Reply:  # noqa: ARG002
        self._model.put_volume(doc, bootable=sent.bootable)
        return Reply(200)

    def set_read_only(self, call: Call, doc: Doc, sent: ReadOnlyBody) -> Reply:  # noqa: ARG002
        need_status(doc, {"available"})
        self._model.put_volume(doc, readonly=sent.readonly)
        return Reply(202)

    def reset(self, call: Call, doc: Doc, sent: ResetBody) -> Reply:  # noqa: ARG002
        if sent.status is not None and sent.status not in STATUSES:
            raise Fault(400, f"Invalid input for status: '{sent.status}'.")
        if sent.migration_status not in {None, "none"}:
            raise Fault(400, "Invalid input for migration_status: nothing migrates here.")
        attachments = self._model.attachments.find("volume", doc["id"])
        if sent.attach_status == "attached" and not attachments:
            raise Fault(400, "Invalid input for attach_status: nobody is attached.")
        if sent.attach_status == "detached":
            for attachment in attachments:
                self._model.attachments.delete(attachment["id"])
        self._model.put_volume(doc, status=sent.status or doc["status"])
        return Reply(202)

    def retype(self, call: Call, doc: Doc, sent: RetypeBody) -> Reply:
        need_status(doc, {"available", "in-use"})
        new = self._model.need_type(call.caller, sent.new_type)
        if new["id"] == doc["type_id"]:
            raise Fault(
                400, f"Invalid input: volume {doc['id']} has the type {new['name']} already."
            )
        if (new["encryption"] is not None) != doc["encrypted"]:
            raise Fault(400, "Invalid volume: its encryption cannot be changed by a new type.")
        multiattach = new["extra_specs"].get("multiattach") == MULTIATTACH
        if multiattach != doc["multiattach"] and doc["status"] != "available":
            raise Fault(400, "Invalid volume: whether it is shared cannot change while in use.")
        size = doc["size"]
        check_quota(self._model, doc["project_id"], new, volumes=1, gigabytes=size, of_type=True)
        self._model.put_volume(doc, type_id=new["id"], multiattach=multiattach)
        return Reply(202)

    def force_delete(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        delete_volume(self._model, doc, cascade=True, force=True)
        return Reply(202)

    def migrate(self, call: Call, doc: Doc, sent: MigrateBody) -> Reply:  # noqa: ARG002
        if sent.host == HOST:
            raise Fault(400, "Invalid input: the volume is on that host already.")
        raise Fault(400, f"No valid backend was found: there is no other than {HOST}.")

    def complete_migration(self, call: Call, doc: Doc, sent: CompleteMigrationBody) -> Reply:
        """Compute has swapped volumes by itself: the new one is what the server has from now on."""
        new = self._model.need_volume(call.caller, sent.new_volume)
        kept = doc["id"] if sent.error else new["id"]
        return Reply(200, {"save_volume_id": kept})

    def reimage(self, call: Call, doc: Doc, sent: ReimageBody) -> Reply:
        allowed = {"available", "error"} | ({"reserved"} if sent.reimage_reserved else set())
        need_status(doc, allowed)
        image = need_image(self._images, call.caller, sent.image_id, doc["size"])
        status = "available" if doc["status"] == "error" else doc["status"]
        changes = {"image_metadata": remembered(image), "bootable": True, "status": status}
        self._model.put_volume(doc, **changes)
        self._tell("volume-reimaged", doc)
        return Reply(202)

    def revert(self, call: Call, doc: Doc, sent: RevertBody) -> Reply:
        need_status(doc, {"available"})
        snapshot = self._model.need_snapshot(call.caller, sent.snapshot_id)
        latest = self._model.snapshots.find("volume", doc["id"])[-1:]
        if [found["id"] for found in latest] != [snapshot["id"]]:
            raise Fault(400, f"Invalid snapshot: {snapshot['id']} is not the volume's latest.")
        if snapshot["size"] != doc["size"]:
            raise Fault(400, "Invalid volume: it was extended after the snapshot.")
        self._model.put_volume(doc)
        return Reply(202)

    def upload(self, call: Call, doc: Doc, sent: UploadBody) -> Reply:
        need_status(doc, {"available", "in-use"} if sent.force else {"available"})
        fields: Doc = {
            "name": sent.image_name,
            "disk_format": sent.disk_format or "qcow2",
            "container_format": sent.container_format or "bare",
            "min_disk": doc["size"],
        }
        if sent.visibility is not None:
            fields["visibility"] = sent.visibility
        if sent.protected:
            fields["protected"] = True
        image = self._images.make(call.caller, fields, doc["size"])
        kind = self._model.types.get(doc["type_id"] or "")
        shown = {
            "id": doc["id"],
            "status": "uploading",
            "size": doc["size"],
            "display_description": doc["description"],
            "updated_at": doc["updated_at"],
            "volume_type": kind and {"id": kind["id"], "name": kind["name"]},
            "image_id": image["id"],
            "image_name": image["name"],
            "disk_format": image["disk_format"],
            "container_format": image["container_format"],
            "visibility": image["visibility"],
            "protected": image["protected"],
        }
        return Reply(202, {"os-volume_upload_image": shown})

    def unmanage(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        need_status(doc, {"available"})
        delete_volume(self._model, doc)
        return Reply(202)


class _ErrorBody(Body):
    error: bool


def need_status(doc: Doc, allowed: set[str]) -> None:
    if doc["status"] not in allowed:
        raise Fault(
            400,
            f"Invalid volume: Volume {doc['id']} status must be {' or '.join(sorted(allowed))}, but"
            f" the current status is: {doc['status']}.",
        )

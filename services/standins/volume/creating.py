"""Making a volume out of nothing, an image, a snapshot or another volume.

Owns: the body of a create and its checks. May not: show the result. Crash story: see model.py.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field

from services.standins.store import Doc
from services.standins.volume.images import Images, need_image, remembered
from services.standins.volume.metadata import Metadata
from services.standins.volume.model import DEFAULT_TYPE, MULTIATTACH, ZONE, Model
from services.standins.volume.quotas import check_quota
from services.standins.web import Body, Call, Fault

MOST_GIB = 1 << 27
"""128 PiB: the largest disk that a small QCOW2 file can stand for."""


def _whole(value: Any) -> Any:
    """Clients send sizes as text, too."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Size = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MOST_GIB, strict=True)]


class CreateBody(Body):
    """All that clients send, most of it null."""

    model_config = ConfigDict(populate_by_name=True)

    size: Size | None = None
    name: str | None = Field(
        default=None, max_length=255, validation_alias=AliasChoices("name", "display_name")
    )
    description: str | None = Field(
        default=None,
        max_length=255,
        validation_alias=AliasChoices("description", "display_description"),
    )
    image: str | None = Field(default=None, validation_alias=AliasChoices("imageRef", "image_id"))
    snapshot_id: str | None = None
    source_volid: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    metadata: Metadata | None = None
    multiattach: bool | None = None
    consistencygroup_id: str | None = None
    group_id: str | None = None
    backup_id: str | None = None
    source_replica: str | None = None


class Creating:
    def __init__(self, model: Model, images: Images) -> None:
        self._model = model
        self._images = images

    def make(self, call: Call, sent: CreateBody) -> Doc:
        """A kept volume, ready for use."""
        _refuse_absent(sent)
        made_of = self._source(call, sent)
        size = sent.size or made_of.get("size")
        if size is None:
            raise Fault(400, "Invalid input received: Volume size must be specified.")
        if size < made_of.get("size", 0):
            raise Fault(
                400,
                f"Invalid input received: Volume size {size}GB cannot be smaller than its source's"
                f" {made_of['size']}GB.",
            )
        if sent.image:
            image = need_image(self._images, call.caller, sent.image, size)
            made_of = {"image_metadata": remembered(image), "bootable": True}
        kind = self._type(call, sent, made_of)
        zone = sent.availability_zone or ZONE
        if zone != ZONE:
            raise Fault(400, f"Invalid input received: Availability zone '{zone}' is invalid.")
        project_id = call.caller.project_id
        check_quota(self._model, project_id, kind, volumes=1, gigabytes=size, one_volume=size)
        return self._keep(call, sent, kind, made_of, size)

    def _keep(self, call: Call, sent: CreateBody, kind: Doc, made_of: Doc, size: int) -> Doc:
        encrypted = kind["encryption"] is not None
        now = self._model.stamp()
        multiattach = sent.multiattach or kind["extra_specs"].get("multiattach") == MULTIATTACH
        return self._model.volumes.put(
            {
                "id": self._model.new_id(),
                "name": sent.name,
                "description": sent.description,
                "status": "available",
                "size": size,
                "type_id": kind["id"],
                "availability_zone": ZONE,
                "bootable": made_of.get("bootable", False),
                "image_metadata": made_of.get("image_metadata"),
                "snapshot_id": sent.snapshot_id or None,
                "source_volid": sent.source_volid or None,
                "metadata": sent.metadata or {},
                "readonly": None,
                "multiattach": bool(multiattach),
                "encrypted": encrypted,
                "encryption_key_id": self._model.new_id() if encrypted else None,
                "user_id": call.caller.user_id,
                "project_id": call.caller.project_id,
                "created_at": now,
                "updated_at": now,
            }
        )

    def _source(self, call: Call, sent: CreateBody) -> Doc:
        """What the new volume takes over from a snapshot or a volume."""
        if sum(map(bool, (sent.image, sent.snapshot_id, sent.source_volid))) > 1:
            raise Fault(
                400, "A volume is made of an image, a snapshot or a volume, not of several."
            )
        if sent.snapshot_id:
            snapshot = self._model.need_snapshot(call.caller, sent.snapshot_id)
            if snapshot["status"] != "available":
                raise Fault(400, f"Invalid snapshot: its status is {snapshot['status']}.")
            return snapshot
        if sent.source_volid:
            source = self._model.need_volume(call.caller, sent.source_volid)
            if source["status"] not in {"available", "in-use"}:
                raise Fault(400, f"Invalid volume: the source's status is {source['status']}.")
            return source
        return {}

    def _type(self, call: Call, sent: CreateBody, made_of: Doc) -> Doc:
        name = sent.volume_type or made_of.get("type_id") or DEFAULT_TYPE
        return self._model.need_type(call.caller, name)


def _refuse_absent(sent: CreateBody) -> None:
    """Things this service has none of cannot be found."""
    for name, kind in (
        ("consistencygroup_id", "Group"),
        ("group_id", "Group"),
        ("backup_id", "Backup"),
        ("source_replica", "Volume"),
    ):
        if value := getattr(sent, name):
            raise Fault(404, f"{kind} {value} could not be found.")

"""Records of the volume service as Muster uses them.

Owns: their shape, and reading them from the service's answers. May not: call the service.
Crash story: none, values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["rw", "ro"]


@dataclass(frozen=True)
class VolumeUse:
    """One attachment as the volume's own record names it."""

    attachment_id: str
    server_uuid: str
    device: str | None
    attached_at: str | None


@dataclass(frozen=True)
class Volume:
    """One volume. Times are ISO 8601 texts as the service wrote them."""

    id: str
    name: str | None
    description: str | None
    status: str
    size_gib: int
    bootable: bool
    multiattach: bool
    encrypted: bool
    read_only: bool
    volume_type: str | None
    """The type's name."""
    zone: str | None
    project_id: str
    snapshot_id: str | None
    source_id: str | None
    created_at: str
    migration_status: str | None = None
    """Not None while the service moves its content, or is about to."""
    metadata: dict[str, str] = field(default_factory=dict, hash=False)
    image_metadata: dict[str, str] = field(default_factory=dict, hash=False)
    """What the image said that it was made of, with `image_id`, `min_disk`, `min_ram`, `size`;
    empty when it was made of none."""
    uses: tuple[VolumeUse, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    id: str
    name: str | None
    description: str | None
    status: str
    volume_id: str
    size_gib: int
    created_at: str
    metadata: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class VolumeType:
    id: str
    name: str
    multiattach: bool
    extra_specs: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Attachment:
    id: str
    volume_id: str
    server_uuid: str | None
    status: str
    """reserved, attaching, attached or detached."""
    mode: str | None
    connection: dict[str, Any] = field(default_factory=dict, hash=False)
    """How a host reaches the volume; empty until a connector is known."""


def read_volume(body: dict[str, Any]) -> Volume:
    metadata = body.get("metadata") or {}
    return Volume(
        id=body["id"],
        name=body.get("name"),
        description=body.get("description"),
        status=body["status"],
        size_gib=body["size"],
        bootable=body.get("bootable") == "true",
        multiattach=bool(body.get("multiattach")),
        encrypted=bool(body.get("encrypted")),
        read_only=str(metadata.get("readonly", "")).lower() == "true",
        volume_type=body.get("volume_type"),
        zone=body.get("availability_zone"),
        project_id=body.get("os-vol-tenant-attr:tenant_id") or "",
        snapshot_id=body.get("snapshot_id"),
        source_id=body.get("source_volid"),
        created_at=body.get("created_at") or "",
        migration_status=body.get("migration_status")
        or body.get("os-vol-mig-status-attr:migstat")
        or None,
        metadata=metadata,
        image_metadata=body.get("volume_image_metadata") or {},
        uses=tuple(
            VolumeUse(a["attachment_id"], a["server_id"], a.get("device"), a.get("attached_at"))
            for a in body.get("attachments", ())
        ),
    )


def read_snapshot(body: dict[str, Any]) -> Snapshot:
    return Snapshot(
        id=body["id"],
        name=body.get("name"),
        description=body.get("description"),
        status=body["status"],
        volume_id=body["volume_id"],
        size_gib=body["size"],
        created_at=body.get("created_at") or "",
        metadata=body.get("metadata") or {},
    )


def read_volume_type(body: dict[str, Any]) -> VolumeType:
    specs = body.get("extra_specs") or {}
    return VolumeType(
        id=body["id"],
        name=body["name"],
        multiattach=specs.get("multiattach") == "<is> True",
        extra_specs=specs,
    )


def read_attachment(body: dict[str, Any]) -> Attachment:
    return Attachment(
        id=body["id"],
        volume_id=body["volume_id"],
        server_uuid=body.get("instance"),
        status=body.get("status") or "",
        mode=body.get("attach_mode"),
        connection=body.get("connection_info") or {},
    )

"""Image records: what is kept, who may see it, how it looks.

Owns: the collections, visibility, the flat view. May not: touch the bytes (files.py).
Crash story: all state is in the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from common.runtime.ports import Clock, Ids
from services.standins.store import Doc, Store
from services.standins.web import Body, Caller, Fault

MAX_PROPERTIES = 128
READ_ONLY = frozenset(
    {
        "checksum",
        "created_at",
        "direct_url",
        "file",
        "locations",
        "os_hash_algo",
        "os_hash_value",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "updated_at",
        "virtual_size",
    }
)
"""Set by the service; whoever sends them is refused with 403."""

RESERVED_PREFIX = "os_glance"
"""Properties of the image service itself, which nobody sets from outside."""

OF_SERVER = "instance_uuid"
"""The property by which compute says of which server an image is."""

DiskFormat = Literal[
    "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso", "gpt"
]
ContainerFormat = Literal["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]


class ImageBody(Body):
    """The fields a caller may set; whatever else is sent is a property and must be text."""

    model_config = ConfigDict(extra="allow")

    id: str | None = Field(
        default=None, pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    )
    name: str | None = Field(default=None, max_length=255)
    visibility: Literal["public", "private", "shared", "community"] = "shared"
    owner: str | None = Field(default=None, max_length=255)
    disk_format: DiskFormat | None = None
    container_format: ContainerFormat | None = None
    min_disk: int = Field(default=0, ge=0, le=2**31 - 1)
    min_ram: int = Field(default=0, ge=0, le=2**31 - 1)
    protected: bool = False
    os_hidden: bool = False
    tags: list[str] = Field(default_factory=list)

    @field_validator("tags")
    @classmethod
    def _each_once(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))


BASE = frozenset(ImageBody.model_fields)


class Records:
    """An image is `{id, <base fields>, _properties: {name: text}}`."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self.store = store
        self.ids = ids
        self._clock = clock
        self.images = store.collection("image.image")
        self.members = store.collection("image.member", image=lambda d: [d["image_id"]])

    def stamp(self) -> str:
        return self._clock.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")

    def new(self, fields: Doc, properties: dict[str, str]) -> Doc:
        """A queued image, not yet kept. `fields` are those of `ImageBody`."""
        now = self.stamp()
        return {
            **fields,
            "id": (fields["id"] or str(self.ids.uuid())).lower(),
            "status": "queued",
            "size": None,
            "virtual_size": None,
            "checksum": None,
            "os_hash_algo": None,
            "os_hash_value": None,
            "created_at": now,
            "updated_at": now,
            "_properties": properties,
        }

    def changed(self, doc: Doc) -> Doc:
        return {**doc, "updated_at": self.stamp()}

    def need(
        self, caller: Caller, image_id: str, *, to_change: bool = False, to_fill: bool = False
    ) -> Doc:
        """The image; 404 when the caller may not know of it, 403 when it may only look. To give an
        image its data is less than to change it: hosts may do that."""
        doc = self.images.get(image_id)
        if doc is None or not self.visible(caller, doc):
            raise Fault(404, f"No image found with ID {image_id}")
        if to_change and not owns(caller, doc):
            raise Fault(403, "You are not permitted to modify this image.")
        if to_fill and not (owns(caller, doc) or fills(caller, doc)):
            raise Fault(403, "You are not permitted to upload data for this image.")
        return doc

    def visible(self, caller: Caller, doc: Doc) -> bool:
        if owns(caller, doc) or fills(caller, doc):
            return True
        if doc["visibility"] in {"public", "community"}:
            return True
        return doc["visibility"] == "shared" and self.membership(caller, doc) is not None

    def listed(self, caller: Caller, doc: Doc, visibility: str | None, member_status: str) -> bool:
        """Whether a list shows it: not others' community images, nor shares not yet accepted."""
        if visibility not in {None, "all"} and doc["visibility"] != visibility:
            return False
        if owns(caller, doc) or doc["visibility"] == "public":
            return True
        if doc["visibility"] == "community":
            return visibility in {"community", "all"}
        member = self.membership(caller, doc) if doc["visibility"] == "shared" else None
        return member is not None and member_status in {"all", member["status"]}

    def membership(self, caller: Caller, doc: Doc) -> Doc | None:
        return self.members.get(f"{doc['id']}/{caller.project_id}")

    def newest_first(self) -> Iterator[Doc]:
        return reversed(list(self.images))


def owns(caller: Caller, doc: Doc) -> bool:
    return caller.is_admin or (bool(caller.project_id) and doc["owner"] == caller.project_id)


def fills(caller: Caller, doc: Doc) -> bool:
    """Whether it is a host, and an image that compute makes of a server."""
    return caller.is_host and OF_SERVER in doc["_properties"]


def view(doc: Doc) -> Doc:
    """The bare, flat record of the wire."""
    base = {name: value for name, value in doc.items() if not name.startswith("_")}
    path = f"/v2/images/{doc['id']}"
    links = {"self": path, "file": f"{path}/file", "schema": "/v2/schemas/image"}
    return {**doc["_properties"], **base, **links}


def check_properties(properties: Doc) -> dict[str, str]:
    """The extra fields of a body, all text, none reserved."""
    for name, value in properties.items():
        if name in READ_ONLY or name.startswith(RESERVED_PREFIX):
            raise Fault(403, f"Attribute '{name}' is read-only.")
        if not isinstance(value, str):
            raise Fault(400, f"Invalid input for {name}: a property's value must be text")
        if not 0 < len(name) <= 255:
            raise Fault(400, f"Invalid input for {name[:40]}: a name has 1 to 255 characters")
    if len(properties) > MAX_PROPERTIES:
        raise Fault(413, f"An image has at most {MAX_PROPERTIES} properties.")
    return properties

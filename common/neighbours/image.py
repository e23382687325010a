"""The image service: what can be booted.

Owns: the record of an image as Muster uses it, and the images Muster makes of servers. May not:
cache; an image may change or go at any time.
Crash story: a record without data stays `queued`; the workflow that made it uploads or deletes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.auth.session import ServiceSession
from common.neighbours.paths import part
from common.neighbours.responses import accepted

_FIXED = frozenset(
    {
        "id", "name", "status", "visibility", "owner", "disk_format", "container_format", "size",
        "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram",
        "protected", "os_hidden", "tags", "created_at", "updated_at", "self", "file", "schema",
        "locations", "direct_url", "stores",
    }
)  # fmt: skip
"""Fields of the record itself; every other key is a property."""

_PATCH_TYPE = "application/openstack-images-v2.1-json-patch"


@dataclass(frozen=True)
class Image:
    """One image. Times are ISO 8601 texts as the service wrote them."""

    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None
    disk_format: str | None
    container_format: str | None
    size_bytes: int | None
    min_disk_gib: int
    min_ram_mib: int
    created_at: str
    updated_at: str
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)


class ImageClient:
    """Calls are made with the caller's `token`, so that the caller sees what is theirs; without
    one, as the service user."""

    def __init__(self, session: ServiceSession) -> None:
        self._session = session

    async def get(self, image_id: str, *, token: str | None = None) -> Image:
        """Raises `NotFound` for an unknown image or one the caller may not see."""
        path = f"/v2/images/{part(image_id)}"
        status, body = await self._session.request("image", "GET", path, token=token)
        return _image(accepted("image", status, body, 200))

    async def list(
        self,
        *,
        token: str | None = None,
        filters: dict[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Image]:
        """The first `limit` images that match, or all; `filters` are the service's own query
        parameters."""
        found: list[Image] = []
        path, params = "/v2/images", dict(filters or {})
        if limit is not None:
            params["limit"] = str(limit)
        while path and (limit is None or len(found) < limit):
            status, body = await self._session.request(
                "image", "GET", path, params=params, token=token
            )
            page = accepted("image", status, body, 200)
            found.extend(map(_image, page["images"]))
            path, params = page.get("next", ""), {}
        return found[:limit]

    async def create(
        self, *, token: str | None = None, properties: dict[str, str] | None = None, **fields: Any
    ) -> Image:
        """A queued image. `fields` are the service's own: name, owner, visibility, disk_format,
        container_format, min_disk, min_ram, and `id` where the caller must be able to find it
        again after a crash. A property cannot take the place of one of the service's fields."""
        free = {name: value for name, value in (properties or {}).items() if name not in _FIXED}
        status, body = await self._session.request(
            "image", "POST", "/v2/images", json={**free, **fields}, token=token
        )
        return _image(accepted("image", status, body, 201))

    async def upload(self, image_id: str, chunks: AsyncIterable[bytes]) -> None:
        """Give a queued image its data; raises `Conflict` when it has some already."""
        path = f"/v2/images/{part(image_id)}/file"
        status, body = await self._session.upload("image", path, chunks)
        accepted("image", status, body, 204)

    async def patch(
        self,
        image_id: str,
        *,
        add: Mapping[str, str] | None = None,
        replace: Mapping[str, str] | None = None,
        remove: Iterable[str] = (),
        token: str | None = None,
    ) -> Image:
        """Change properties; those named like a field of the service are left alone. Raises
        `Forbidden` for an image of somebody else."""
        writes = [("add", add or {}), ("replace", replace or {})]
        changes = [
            {"op": op, "path": _pointer(name), "value": value}
            for op, values in writes
            for name, value in values.items()
            if name not in _FIXED
        ]
        changes += [{"op": "remove", "path": _pointer(name)} for name in remove]
        if not changes:
            return await self.get(image_id, token=token)
        return await self._patch(image_id, changes, token=token)

    async def set_disk_format(self, image_id: str, disk_format: str) -> Image:
        """Say what the data of a queued image will be; later it cannot be said any more."""
        change = {"op": "replace", "path": "/disk_format", "value": disk_format}
        return await self._patch(image_id, [change], token=None)

    async def _patch(
        self, image_id: str, changes: Sequence[Mapping[str, str]], *, token: str | None
    ) -> Image:
        status, body = await self._session.request(
            "image",
            "PATCH",
            f"/v2/images/{part(image_id)}",
            json=changes,
            headers={"Content-Type": _PATCH_TYPE},
            token=token,
        )
        return _image(accepted("image", status, body, 200))

    async def delete(
        self, image_id: str, *, token: str | None = None, missing_ok: bool = True
    ) -> None:
        """Repeatable: an image that is gone is deleted, unless `missing_ok` says that this is a
        `NotFound`. Raises `Forbidden` for a protected one."""
        path = f"/v2/images/{part(image_id)}"
        status, body = await self._session.request("image", "DELETE", path, token=token)
        accepted("image", status, body, 204, *((404,) if missing_ok else ()))


def _pointer(name: str) -> str:
    """The JSON pointer to a property."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _image(body: dict[str, Any]) -> Image:
    return Image(
        id=body["id"],
        name=body.get("name"),
        status=body["status"],
        visibility=body.get("visibility", "private"),
        owner=body.get("owner"),
        disk_format=body.get("disk_format"),
        container_format=body.get("container_format"),
        size_bytes=body.get("size"),
        min_disk_gib=body.get("min_disk") or 0,
        min_ram_mib=body.get("min_ram") or 0,
        created_at=body.get("created_at", ""),
        updated_at=body.get("updated_at", ""),
        tags=tuple(body.get("tags", ())),
        properties={k: v for k, v in body.items() if k not in _FIXED and isinstance(v, str)},
    )

"""The volume service: volumes, their snapshots, and who is attached to them.

Owns: the calls on them; their records are volume_records.py's. May not: cache; decide whether a
volume may be attached (the service does, and answers with a status).
Crash story: a create is not repeatable by itself. Who repeats one looks first: for volumes by name
or metadata (`volumes`), for attachments by server and volume (`attachments`). Everything else may
be done twice: what is gone is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.auth.session import ServiceSession
from common.errors import NotFound
from common.neighbours.paths import part
from common.neighbours.responses import accepted
from common.neighbours.volume_records import (
    Attachment,
    Mode,
    Snapshot,
    Volume,
    VolumeType,
    VolumeUse,
    read_attachment,
    read_snapshot,
    read_volume,
    read_volume_type,
)

__all__ = ["Attachment", "Mode", "Snapshot", "Volume", "VolumeClient", "VolumeType", "VolumeUse"]

_SERVICE = "block-storage"
_VERSION = "3.54"
"""The first in which an attachment is created with its mode."""
_REIMAGE_VERSION = "3.68"
_PAGE = 1000


class VolumeClient:
    """Calls are made as the service user, or as the owner of `token`; the service's own token goes
    along, which says that Muster itself asks. Raises the kinds of common/errors: NotFound,
    InvalidInput (a status that does not allow it), Conflict, OverQuota, Unavailable."""

    def __init__(self, session: ServiceSession) -> None:
        self._session = session

    # Volumes.

    async def volume(self, volume_id: str, *, token: str | None = None) -> Volume:
        """One volume by id; raises `NotFound`."""
        return read_volume((await self._get(f"/volumes/{part(volume_id)}", token=token))["volume"])

    async def volumes(self, *, token: str | None = None, **filters: str) -> list[Volume]:
        """Volumes that match the service's own filters (`name`, `status`, `limit` ...); without a
        token those of every project."""
        return [read_volume(v) for v in await self._list("volumes", filters, token)]

    async def create_volume(
        self,
        size_gib: int | None,
        name: str | None,
        *,
        description: str | None = None,
        image_id: str | None = None,
        snapshot_id: str | None = None,
        source_id: str | None = None,
        volume_type: str | None = None,
        zone: str | None = None,
        metadata: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Volume:
        """A volume in the project of `token`, on its way to `available` or `error`. The size may
        be left out when a snapshot or a volume is the source. Not repeatable."""
        wanted = {
            "size": size_gib,
            "name": name,
            "description": description,
            "imageRef": image_id,
            "snapshot_id": snapshot_id,
            "source_volid": source_id,
            "volume_type": volume_type,
            "availability_zone": zone,
            "metadata": dict(metadata) if metadata else None,
        }
        body = {"volume": {k: v for k, v in wanted.items() if v is not None}}
        return read_volume((await self._post("/volumes", body, 202, token=token))["volume"])

    async def delete_volume(
        self, volume_id: str, *, token: str | None = None, missing_ok: bool = True
    ) -> None:
        """Repeatable: a volume that is gone is deleted, unless `missing_ok` says that this is a
        `NotFound`. Raises `InvalidInput` for one in use."""
        await self._delete(f"/volumes/{part(volume_id)}", missing_ok=missing_ok, token=token)

    async def begin_detaching(self, volume_id: str, *, token: str | None = None) -> None:
        """From `in-use` to `detaching`, by which the service refuses a second detach."""
        await self._act(volume_id, "os-begin_detaching", token=token)

    async def roll_detaching(self, volume_id: str) -> None:
        """Back to `in-use`; repeatable."""
        await self._act(volume_id, "os-roll_detaching")

    async def complete_migration(self, old_id: str, new_id: str, *, error: bool = False) -> str:
        """The id under which the volume goes on after a swap; the service deletes the other."""
        arguments = {"new_volume": new_id, "error": error}
        answer = await self._act(old_id, "os-migrate_volume_completion", arguments)
        return str(answer["save_volume_id"])

    async def reimage(self, volume_id: str, image_id: str, *, reserved: bool = False) -> None:
        """Write an image over a volume's content; `reserved` allows it for a reserved one. Poll
        until the status is no longer `downloading`; Nova is told by a `volume-reimaged` event."""
        arguments = {"image_id": image_id, "reimage_reserved": reserved}
        await self._act(volume_id, "os-reimage", arguments, version=_REIMAGE_VERSION)

    async def extend_completed(self, volume_id: str, *, error: bool = False) -> None:
        """Say how it went on the host to enlarge an attached volume, where the service waits."""
        await self._act(volume_id, "os-extend_volume_completion", {"error": error}, version="3.71")

    # Snapshots and types.

    async def snapshot(self, snapshot_id: str, *, token: str | None = None) -> Snapshot:
        """One snapshot by id; raises `NotFound`."""
        body = await self._get(f"/snapshots/{part(snapshot_id)}", token=token)
        return read_snapshot(body["snapshot"])

    async def snapshots(self, *, token: str | None = None, **filters: str) -> list[Snapshot]:
        """As `volumes`."""
        return [read_snapshot(s) for s in await self._list("snapshots", filters, token)]

    async def create_snapshot(
        self,
        volume_id: str,
        name: str | None,
        *,
        description: str | None = None,
        force: bool = False,
        token: str | None = None,
    ) -> Snapshot:
        """A snapshot on its way to `available`; `force` allows it of a volume in use. Not
        repeatable."""
        wanted: dict[str, Any] = {
            "volume_id": volume_id,
            "name": name,
            "description": description,
            "force": force,
        }
        answer = await self._post("/snapshots", {"snapshot": wanted}, 202, token=token)
        return read_snapshot(answer["snapshot"])

    async def delete_snapshot(
        self, snapshot_id: str, *, token: str | None = None, missing_ok: bool = True
    ) -> None:
        """Repeatable, as `delete_volume`."""
        await self._delete(f"/snapshots/{part(snapshot_id)}", missing_ok=missing_ok, token=token)

    async def update_snapshot_status(self, snapshot_id: str, status: str, progress: str) -> None:
        """What a host says about a snapshot that it makes or deletes for the service."""
        arguments = {"status": status, "progress": progress}
        path = f"/snapshots/{part(snapshot_id)}/action"
        await self._post(path, {"os-update_snapshot_status": arguments}, 202)

    async def volume_type(self, name_or_id: str, *, token: str | None = None) -> VolumeType:
        """Raises `NotFound`."""
        try:
            answer = await self._get(f"/types/{part(name_or_id)}", token=token)
            return read_volume_type(answer["volume_type"])
        except NotFound:
            answer = await self._get("/types", {"is_public": "none"}, token=token)
        for found in answer["volume_types"]:
            if found["name"] == name_or_id:
                return read_volume_type(found)
        raise NotFound(f"Volume type {name_or_id} could not be found.")

    # Attachments.

    async def attachment(self, attachment_id: str) -> Attachment:
        """One attachment by id; raises `NotFound`."""
        return read_attachment(
            (await self._get(f"/attachments/{part(attachment_id)}"))["attachment"]
        )

    async def attachments(
        self, *, volume_id: str | None = None, server_uuid: str | None = None
    ) -> list[Attachment]:
        """Attachments of a volume, of a server, or of both."""
        named = {"volume_id": volume_id, "instance_id": server_uuid}
        filters = {name: value for name, value in named.items() if value is not None}
        return [read_attachment(a) for a in await self._list("attachments", filters, None)]

    async def attachment_create(
        self,
        volume_id: str,
        server_uuid: str,
        *,
        connector: Mapping[str, Any] | None = None,
        mode: Mode = "rw",
        token: str | None = None,
    ) -> Attachment:
        """Reserve the volume for the server; with a connector, connect it as well. Raises
        `InvalidInput` when its status or another attachment does not allow it. Not repeatable."""
        wanted: dict[str, Any] = {
            "volume_uuid": volume_id,
            "instance_uuid": server_uuid,
            "connector": None if connector is None else dict(connector),
            "mode": mode,
        }
        answer = await self._post("/attachments", {"attachment": wanted}, 200, token=token)
        return read_attachment(answer["attachment"])

    async def attachment_update(
        self, attachment_id: str, connector: Mapping[str, Any]
    ) -> Attachment:
        """Tell which host connects, and get how it does. Repeatable."""
        status, body = await self._request(
            "PUT",
            f"/attachments/{part(attachment_id)}",
            json={"attachment": {"connector": dict(connector)}},
        )
        return read_attachment(accepted(_SERVICE, status, body, 200)["attachment"])

    async def attachment_complete(self, attachment_id: str) -> None:
        """The host has the volume: it is `in-use` from here on. Repeatable."""
        path = f"/attachments/{part(attachment_id)}/action"
        await self._post(path, {"os-complete": {}}, 204)

    async def attachment_delete(self, attachment_id: str) -> None:
        """Repeatable: one that is gone is deleted."""
        await self._delete(f"/attachments/{part(attachment_id)}", missing_ok=True)

    # Calls.

    async def _request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        token: str | None = None,
        version: str = _VERSION,
    ) -> tuple[int, Any]:
        return await self._session.request(
            _SERVICE,
            method,
            f"/v3{path}",
            json=json,
            params=params,
            headers={"OpenStack-API-Version": f"volume {version}"},
            token=token,
            as_service=True,
        )

    async def _get(
        self, path: str, params: Mapping[str, str] | None = None, *, token: str | None = None
    ) -> Any:
        status, body = await self._request("GET", path, params=params, token=token)
        return accepted(_SERVICE, status, body, 200)

    async def _list(
        self, collection: str, filters: Mapping[str, str], token: str | None
    ) -> list[dict[str, Any]]:
        """All pages, or as many records as the filter `limit` asks for."""
        wanted = int(filters["limit"]) if "limit" in filters else None
        params = {"limit": str(_PAGE), **filters}
        if token is None:
            params["all_tenants"] = "1"
        found: list[dict[str, Any]] = []
        while True:
            answer = await self._get(f"/{collection}/detail", params, token=token)
            found += answer[collection]
            more = bool(answer.get(f"{collection}_links")) and bool(answer[collection])
            if not more or (wanted is not None and len(found) >= wanted):
                return found[:wanted]
            params = {k: v for k, v in params.items() if k != "offset"}
            params["marker"] = found[-1]["id"]

    async def _post(self, path: str, body: Any, good: int, *, token: str | None = None) -> Any:
        status, answer = await self._request("POST", path, json=body, token=token)
        return accepted(_SERVICE, status, answer, good)

    async def _delete(self, path: str, *, missing_ok: bool, token: str | None = None) -> None:
        status, body = await self._request("DELETE", path, token=token)
        accepted(_SERVICE, status, body, 200, 202, 204, *((404,) if missing_ok else ()))

    async def _act(
        self,
        volume_id: str,
        action: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        version: str = _VERSION,
    ) -> Any:
        status, body = await self._request(
            "POST",
            f"/volumes/{part(volume_id)}/action",
            json={action: dict(arguments or {})},
            token=token,
            version=version,
        )
        return accepted(_SERVICE, status, body, 200, 202)

"""The bytes of images.

Owns: `<state_dir>/images/<id>`, receiving and sending them, their digests.
May not: hold an image in memory; one chunk at a time passes through.

Crash story: an upload is written beside its place and renamed when it is complete, before the
record turns active. What a crash leaves is cleaned at start: half uploads are removed and their
images wait for an upload again.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import sqlite3
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from common.errors import MusterError
from services.standins.image.qcow2 import virtual_size_of
from services.standins.image.records import Records
from services.standins.store import Doc
from services.standins.web import Call, Fault

CHUNK_BYTES = 1 << 20
PART = ".part"


class Files:
    def __init__(self, records: Records, folder: Path, max_bytes: int) -> None:
        self._records = records
        self._folder = folder
        self._max_bytes = max_bytes

    def path(self, image_id: str) -> Path:
        return self._folder / image_id

    def recover(self) -> None:
        """Bring files and records together after whatever ended the last process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for half in [i for i in self._records.images if i["status"] == "saving"]:
            self._records.images.put(self._records.changed({**half, "status": "queued"}))
        for file in self._folder.iterdir():
            image = self._records.images.get(file.name)
            if image is None or image["status"] == "queued":
                file.unlink()

    def remove(self, image_id: str) -> None:
        self.path(image_id).unlink(missing_ok=True)

    def keep(self, image: Doc, content: bytes) -> Doc:
        """The record made active with `content`; for seeds, in a transaction."""
        self.path(image["id"]).write_bytes(content)
        intake = _Intake(None)
        intake.take(content)
        return {**image, **intake.facts(image["disk_format"]), "status": "active"}

    async def upload(self, call: Call) -> web.StreamResponse:
        """`PUT /v2/images/{id}/file`."""
        records = self._records
        image = records.need(call.caller, call.param("id"), to_fill=True)
        if image["status"] != "queued":
            raise Fault(409, f"Image {image['id']} has status {image['status']}: it has its data.")
        if image["disk_format"] is None or image["container_format"] is None:
            raise Fault(400, "Set disk_format and container_format before uploading.")
        self._check_size(call.request.content_length or 0)
        with records.store.transaction():
            records.images.put(records.changed({**image, "status": "saving"}))
        try:
            facts = await self._receive(call.request, image)
        except OSError as error:
            self._give_up(image["id"])
            if error.errno == errno.ENOSPC:
                raise Fault(413, "There is no room for the image on this disk.") from error
            raise
        except BaseException:
            self._give_up(image["id"])
            raise
        with records.store.transaction():
            now = records.images.get(image["id"])
            if now is None:
                self.remove(image["id"])
                raise Fault(410, f"Image {image['id']} was deleted during the upload.")
            records.images.put(records.changed({**now, **facts, "status": "active"}))
        return web.Response(status=204)

    async def _receive(self, request: web.Request, image: Doc) -> Doc:
        part = self._folder / (image["id"] + PART)
        with part.open("wb") as file:
            intake = _Intake(file)
            async for chunk in request.content.iter_chunked(CHUNK_BYTES):
                # Digests of a large image take seconds: not on the loop.
                await asyncio.to_thread(intake.take, chunk)
                self._check_size(intake.size_bytes)
        part.rename(self.path(image["id"]))
        return intake.facts(image["disk_format"])

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise Fault(413, f"An image has at most {self._max_bytes} bytes.")

    def _give_up(self, image_id: str) -> None:
        (self._folder / (image_id + PART)).unlink(missing_ok=True)
        records = self._records
        try:
            with records.store.transaction():
                if (now := records.images.get(image_id)) is not None:
                    records.images.put(records.changed({**now, "status": "queued"}))
        except (MusterError, sqlite3.Error):
            # The store is already closed: the next start does this.
            return

    async def download(self, call: Call) -> web.StreamResponse:
        """`GET /v2/images/{id}/file`; aiohttp sends the file and honours Range."""
        image = self._records.need(call.caller, call.param("id"))
        if image["status"] == "deactivated" and not call.caller.is_admin:
            raise Fault(403, "The requested image has been deactivated.")
        if image["checksum"] is None:
            return web.Response(status=204)
        headers = {"Content-Type": "application/octet-stream", "Content-MD5": image["checksum"]}
        return web.FileResponse(self.path(image["id"]), CHUNK_BYTES, headers=headers)


class _Intake:
    """Digests and size of bytes on their way to a file."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        # The API promises an MD5 in `checksum`; `os_hash_value` is the one to trust.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._head = b""
        self.size_bytes = 0

    def take(self, chunk: bytes) -> None:
        if self._file is not None:
            self._file.write(chunk)
        if len(self._head) < 32:
            self._head += chunk[:32]
        self._md5.update(chunk)
        self._sha512.update(chunk)
        self.size_bytes += len(chunk)

    def facts(self, disk_format: str) -> Doc:
        virtual = self.size_bytes if disk_format in {"raw", "iso"} else None
        if disk_format == "qcow2":
            virtual = virtual_size_of(self._head)
        return {
            "size": self.size_bytes,
            "virtual_size": virtual,
            "checksum": self._md5.hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": self._sha512.hexdigest(),
        }

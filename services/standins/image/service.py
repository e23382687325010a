"""The image stand-in: its parts put together, and the images it is born with.

Owns: the route table of `/image`, versions, schemas, the error pages, the seeds.
May not: depend on another stand-in. Crash story: see store.py and files.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from common.config.settings import StandinSettings
from common.runtime.ports import Clock, Ids
from services.standins.image import qcow2
from services.standins.image.definitions import Definitions
from services.standins.image.files import Files
from services.standins.image.images import Images
from services.standins.image.members import Members
from services.standins.image.records import ImageBody, Records, view
from services.standins.image.schemas import SCHEMAS
from services.standins.seeding import seed_hex, seed_uuid
from services.standins.store import Doc, Store
from services.standins.web import Call, Caller, Fault, Reply, Route, complete, parse_inner

VERSIONS = ("v2.17", "v2.16", "v2.15", "v2.9", "v2.8", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3",
            "v2.2", "v2.1", "v2.0")  # fmt: skip
SEEDS = ("cirros", "cirros-alt")
"""Two, because rebuild tests want another one."""
SEED_DISK_BYTES = 112 << 20
SEED_CONTENT_BYTES = 24 << 10


class Image:
    prefix = "/image"
    needs_role = True

    def __init__(self, settings: StandinSettings, clock: Clock, ids: Ids) -> None:
        self.store = Store(settings.state_dir / "image.sqlite")
        self._records = Records(self.store, clock, ids)
        folder = settings.state_dir / "images"
        self._files = Files(self._records, folder, settings.image_max_bytes)

    def seed(self) -> None:
        self._files.recover()
        for name in SEEDS:
            image_id = seed_uuid("image", name)
            if image_id in self._records.images and self._files.path(image_id).exists():
                continue
            body = ImageBody(
                id=image_id,
                name=name,
                visibility="public",
                owner=seed_hex("project", "admin"),
                disk_format="qcow2",
                container_format="bare",
            )
            image = self._records.new(complete(body), {"os_type": "linux"})
            self._records.images.put(self._files.keep(image, _seed_bytes(name)))

    def routes(self) -> Iterable[Route]:
        for path in ("", "/", "/versions"):
            yield Route("GET", path, self._versions, public=True)
        yield from Images(self._records, self._files).routes()
        yield from Members(self._records).routes()
        yield from Definitions().routes()
        yield Route("GET", "/v2/images/{id}/tasks", self._tasks)
        yield Route("GET", "/v2/schemas/{name}", self._schema)
        yield Route("GET", "/v2/schemas/metadefs/{name}", self._metadefs_schema)
        yield Route("GET", "/v2/info/import", self._import_methods)

    def fault(self, fault: Fault) -> tuple[bytes, str]:
        title = f"{fault.status} {HTTPStatus(fault.status).phrase}"
        page = (
            f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n"
            f"  {escape(fault.message)}<br /><br />\n </body>\n</html>\n"
        )
        return page.encode(), "text/html; charset=UTF-8"

    def find(self, caller: Caller, image_id: str) -> Doc:
        """An image's record, for the volume service; Fault 404."""
        return view(self._records.need(caller, image_id))

    def make(self, caller: Caller, fields: Doc, size_gib: int) -> Doc:
        """A new image of a disk of that size, for the volume service."""
        body = parse_inner(ImageBody, {**fields, "owner": caller.project_id})
        if body.visibility == "public" and not caller.is_admin:
            raise Fault(403, "You are not permitted to make an image public.")
        image = self._records.new(complete(body), {})
        with self.store.transaction():
            kept = self._files.keep(image, _disk_bytes(image, size_gib))
            return view(self._records.images.put(kept))

    def _versions(self, call: Call) -> Reply:
        links = [{"rel": "self", "href": f"{call.base_url}/image/v2/"}]
        versions = [
            {"id": v, "status": "SUPPORTED" if n else "CURRENT", "links": links}
            for n, v in enumerate(VERSIONS)
        ]
        return Reply(300, {"versions": versions})

    def _tasks(self, call: Call) -> Reply:
        """None: what this service is asked to do it does before it answers."""
        self._records.need(call.caller, call.param("id"))
        return Reply(body={"tasks": []})

    def _schema(self, call: Call) -> Reply:
        return _schema_called(call.param("name"))

    def _metadefs_schema(self, call: Call) -> Reply:
        return _schema_called(f"metadefs/{call.param('name')}")

    def _import_methods(self, call: Call) -> Reply:  # noqa: ARG002
        methods = {"description": "Import methods available.", "type": "array", "value": []}
        return Reply(body={"import-methods": methods})


def _schema_called(name: str) -> Reply:
    if (schema := SCHEMAS.get(name)) is None:
        raise Fault(404, f"There is no schema {name}.")
    return Reply(body=schema)


def _disk_bytes(image: Doc, size_gib: int) -> bytes:
    """A disk that says what it is; only a qcow2 file can say how large it is without being so."""
    line = f"{image['name']}: a disk of {size_gib} GiB without content\n".encode()
    return qcow2.build(line, size_gib << 30) if image["disk_format"] == "qcow2" else line


def _seed_bytes(name: str) -> bytes:
    """A small disk that says what it is; the same bytes in every cloud."""
    line = f"{name}: a seeded image for guests that are not real\n".encode()
    content = (line * (SEED_CONTENT_BYTES // len(line) + 1))[:SEED_CONTENT_BYTES]
    return qcow2.build(content, SEED_DISK_BYTES)

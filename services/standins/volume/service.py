"""The volume stand-in: its parts put together.

Owns: the route table of `/volume`, the versions documents, the error envelope, the seeded types.
May not: know another stand-in; what it needs of images comes through a port.
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from common.config.settings import StandinSettings
from common.runtime.ports import Clock, Ids
from services.standins.events import Events
from services.standins.seeding import seed_uuid
from services.standins.store import Store
from services.standins.volume.actions import Actions, Dispatcher
from services.standins.volume.attachments import Attachments
from services.standins.volume.compute import Compute
from services.standins.volume.connecting import Connecting
from services.standins.volume.creating import Creating
from services.standins.volume.image_metadata import ImageMetadata
from services.standins.volume.images import Images
from services.standins.volume.metadata import MetadataOf
from services.standins.volume.misc import Misc
from services.standins.volume.model import DEFAULT_TYPE, MULTIATTACH, Model
from services.standins.volume.quotas import Quotas
from services.standins.volume.routing import NEWEST, Operation, routes
from services.standins.volume.snapshots import Snapshots
from services.standins.volume.types import Types, make_type
from services.standins.volume.volumes import Volumes
from services.standins.web import Call, Fault, Reply, Route

SEED_TYPES: dict[str, dict[str, str]] = {
    DEFAULT_TYPE: {},
    "multiattach": {"multiattach": MULTIATTACH},
}
KINDS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    413: "overLimit",
}


class Volume:
    prefix = "/volume"
    needs_role = True

    def __init__(
        self,
        settings: StandinSettings,
        clock: Clock,
        ids: Ids,
        *,
        events: Events,
        compute: Compute,
        images: Images,
    ) -> None:
        self.store = Store(settings.state_dir / "volume.sqlite")
        self._model = Model(self.store, clock, ids)
        self._ids = ids
        self._events = events
        self._compute = compute
        self._images = images

    def seed(self) -> None:
        for name, specs in SEED_TYPES.items():
            type_id = seed_uuid("volume-type", name)
            taken = self._model.types.first("name", name)
            if type_id not in self._model.types and taken is None:
                make_type(self._model, name, extra_specs=specs, type_id=type_id)

    def routes(self) -> Iterable[Route]:
        for path in ("", "/"):
            yield Route("GET", path, self._versions, public=True)
        for path in ("/v3", "/v3/"):
            yield Route("GET", path, self._version, public=True)
        yield from routes(self._operations(), self._ids)

    def _operations(self) -> Iterable[Operation]:
        model = self._model
        attachments = Attachments(model, self._compute)
        actions = {
            **Actions(model, self._images, self._events).table(),
            **Connecting(model, attachments).table(),
            **ImageMetadata(model).table(),
        }
        for part in (
            Misc(model),
            Volumes(model, Creating(model, self._images)),
            MetadataOf(model, model.volumes, "volumes", model.need_volume),
            Dispatcher(model, actions),
            Snapshots(model),
            MetadataOf(model, model.snapshots, "snapshots", model.need_snapshot),
            attachments,
            Types(model),
            Quotas(model),
        ):
            yield from part.operations()

    def _versions(self, call: Call) -> Reply:
        version = {
            "id": "v3.0",
            "status": "CURRENT",
            "version": f"3.{NEWEST}",
            "min_version": "3.0",
            "updated": "2023-08-31T00:00:00Z",
            "links": [{"rel": "self", "href": f"{call.base_url}/volume/v3/"}],
            "media-types": [
                {
                    "base": "application/json",
                    "type": "application/vnd.openstack.volume+json;version=3",
                }
            ],
        }
        return Reply(300, {"versions": [version]})

    def _version(self, call: Call) -> Reply:
        return Reply(200, self._versions(call).body)

    def fault(self, fault: Fault) -> tuple[bytes, str]:
        kind = KINDS.get(fault.status, "computeFault")
        error = {"code": fault.status, "message": fault.message}
        return orjson.dumps({kind: error}), "application/json"

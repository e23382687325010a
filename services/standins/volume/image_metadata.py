"""What a volume remembers of the image it was made of, and its owner's changes to that.

Owns: the three actions on `volume_image_metadata`. May not: ask the image service again.
Crash story: see model.py.
"""

from __future__ import annotations

from pydantic import Field

from services.standins.store import Doc
from services.standins.volume.actions import Action
from services.standins.volume.metadata import Key, Metadata
from services.standins.volume.model import Model
from services.standins.web import Body, Call, Fault, Reply


class SetBody(Body):
    metadata: Metadata = Field(min_length=1)


class UnsetBody(Body):
    key: Key


class ImageMetadata:
    def __init__(self, model: Model) -> None:
        self._model = model

    def table(self) -> dict[str, Action]:
        return {
            "os-set_image_metadata": Action(self.set, SetBody),
            "os-show_image_metadata": Action(self.show),
            "os-unset_image_metadata": Action(self.unset, UnsetBody),
        }

    def set(self, call: Call, doc: Doc, sent: SetBody) -> Reply:  # noqa: ARG002
        metadata = {**(doc["image_metadata"] or {}), **sent.metadata}
        self._model.put_volume(doc, image_metadata=metadata)
        return Reply(200, {"metadata": metadata})

    def show(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        return Reply(200, {"metadata": doc["image_metadata"] or {}})

    def unset(self, call: Call, doc: Doc, sent: UnsetBody) -> Reply:  # noqa: ARG002
        metadata = dict(doc["image_metadata"] or {})
        if metadata.pop(sent.key, None) is None:
            raise Fault(404, f"Metadata item {sent.key} of volume {doc['id']} was not found.")
        self._model.put_volume(doc, image_metadata=metadata)
        return Reply(200)

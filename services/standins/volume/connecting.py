"""The actions of a volume that reserve, connect and detach it.

Owns: those actions. They are older than attachments, and are done by means of these: both ways lead
to the same records. May not: decide whether it is allowed (attaching.py). Crash story: see
attachments.py.
"""

from __future__ import annotations

from typing import Any, Literal

from services.standins.store import Doc
from services.standins.volume.actions import Action, need_status
from services.standins.volume.attachments import Attachments, connection, refuse_if_used
from services.standins.volume.model import Model
from services.standins.web import Body, Call, Fault, Reply


class AttachBody(Body):
    instance_uuid: str | None = None
    host_name: str | None = None
    mountpoint: str | None = None
    mode: Literal["rw", "ro"] = "rw"


class DetachBody(Body):
    attachment_id: str | None = None


class ConnectorBody(Body):
    connector: dict[str, Any]


class ForceDetachBody(Body):
    attachment_id: str | None = None
    connector: dict[str, Any] | None = None


class Connecting:
    def __init__(self, model: Model, attachments: Attachments) -> None:
        self._model = model
        self._attachments = attachments

    def table(self) -> dict[str, Action]:
        ask = self._user_of_any
        return {
            "os-reserve": Action(self.reserve),
            "os-unreserve": Action(self.unreserve),
            "os-begin_detaching": Action(self.begin_detaching),
            "os-roll_detaching": Action(self.roll_detaching),
            "os-attach": Action(self.attach, AttachBody),
            "os-detach": Action(self.detach, DetachBody, ask=ask),
            "os-force_detach": Action(self.force_detach, ForceDetachBody, admin=True, ask=ask),
            "os-initialize_connection": Action(self.initialize, ConnectorBody),
            "os-terminate_connection": Action(self.terminate, ConnectorBody, ask=ask),
        }

    async def _user_of_any(self, call: Call, doc: Doc) -> str | None:
        found = self._model.attachments.find("volume", doc["id"])
        return await self._attachments.user_of(call, found)

    def reserve(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        need_status(doc, {"available", "in-use"} if doc["multiattach"] else {"available"})
        self._model.put_volume(doc, status="attaching")
        return Reply(202)

    def unreserve(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        need_status(doc, {"attaching"})
        attached = self._model.attached(doc["id"])
        self._model.put_volume(doc, status="in-use" if attached else "available")
        return Reply(202)

    def begin_detaching(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        need_status(doc, {"in-use"})
        self._model.put_volume(doc, status="detaching")
        return Reply(202)

    def roll_detaching(self, call: Call, doc: Doc, sent: Body) -> Reply:  # noqa: ARG002
        if doc["status"] == "detaching":
            self._model.put_volume(doc, status="in-use")
        return Reply(202)

    def attach(self, call: Call, doc: Doc, sent: AttachBody) -> Reply:  # noqa: ARG002
        if bool(sent.instance_uuid) == bool(sent.host_name):
            raise Fault(400, "Give either instance_uuid or host_name.")
        if doc["status"] == "attaching":  # reserved before, by the older action
            doc = self._model.put_volume(doc, status="available")
        made = self._attachments.reserve(doc, sent.instance_uuid, sent.mode)
        host = sent.host_name or "unknown"
        connector = {"host": host, "mountpoint": sent.mountpoint}
        self._attachments.complete(self._attachments.connect(made, connector))
        return Reply(202)

    def detach(self, call: Call, doc: Doc, sent: DetachBody) -> Reply:
        refuse_if_used(call)
        self._attachments.remove(self._one(doc, sent.attachment_id))
        return Reply(202)

    def force_detach(self, call: Call, doc: Doc, sent: ForceDetachBody) -> Reply:
        refuse_if_used(call)
        found = self._model.attachments.find("volume", doc["id"])
        chosen = found if sent.attachment_id is None else [self._one(doc, sent.attachment_id)]
        for attachment in chosen:
            self._attachments.remove(attachment)
        return Reply(202)

    def _one(self, doc: Doc, attachment_id: str | None) -> Doc:
        """The attachment meant; without an id there must be no more than one."""
        found = self._model.attachments.find("volume", doc["id"])
        meant = [a for a in found if attachment_id in {None, a["id"]}]
        if not meant:
            raise Fault(400, f"Invalid volume: volume {doc['id']} has no such attachment.")
        if len(meant) > 1:
            raise Fault(400, "Invalid volume: it has several attachments; say which.")
        return meant[0]

    def initialize(self, call: Call, doc: Doc, sent: ConnectorBody) -> Reply:  # noqa: ARG002
        if not sent.connector.get("host"):
            raise Fault(400, "Invalid input for connector: it names no host.")
        unnamed = {"id": None, "mode": "ro" if doc["readonly"] else "rw"}
        data = connection(doc, unnamed, sent.connector)
        kind = data.pop("driver_volume_type")
        info = {"driver_volume_type": kind, "data": data}
        return Reply(200, {"connection_info": info})

    def terminate(self, call: Call, doc: Doc, sent: ConnectorBody) -> Reply:  # noqa: ARG002
        # Nothing was set up for the connection, so nothing is taken down.
        refuse_if_used(call)
        return Reply(202)

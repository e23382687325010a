"""Attachments: which server has which volume, and through which host.

Owns: `/v3/attachments` and the changes of a volume's status that follow from them. May not: decide
whether an attachment is allowed (attaching.py). Crash story: an attachment and its volume's status
change in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from services.standins.store import Doc
from services.standins.volume import query, views
from services.standins.volume.attaching import (
    ATTACHED,
    ATTACHING,
    OF_ATTACHING,
    RESERVED,
    check_may_reserve,
    status_by,
)
from services.standins.volume.compute import Compute
from services.standins.volume.model import Model
from services.standins.volume.routing import Operation, minor
from services.standins.volume.volumes import listed
from services.standins.web import Body, Call, Fault, Reply, parse

SINCE, COMPLETED_SINCE, MODE_SINCE = 27, 44, 54
SORT_KEYS = frozenset({"id", "status", "volume_id", "instance", "created_at", "attached_at"})
FILTERS: query.Filters = {
    "id": lambda doc: doc["id"],
    "volume_id": lambda doc: doc["volume_id"],
    "instance_id": lambda doc: doc["instance"],
    "instance_uuid": lambda doc: doc["instance"],
    "status": lambda doc: doc["status"],
    "attach_status": lambda doc: doc["status"],
}


class CreateBody(Body):
    volume_uuid: str
    instance_uuid: str | None = None
    connector: dict[str, Any] | None = None
    mode: Literal["rw", "ro"] | None = None


class UpdateBody(Body):
    connector: dict[str, Any]


class Attachments:
    def __init__(self, model: Model, compute: Compute) -> None:
        self._model = model
        self._compute = compute

    def operations(self) -> Iterable[Operation]:
        one = "/attachments/{id}"
        yield Operation("GET", "/attachments", self.list_short, since=SINCE)
        yield Operation("GET", "/attachments/detail", self.list_detail, since=SINCE)
        yield Operation("POST", "/attachments", self.create, since=SINCE)
        yield Operation("GET", one, self.show, since=SINCE)
        yield Operation("PUT", one, self.update, since=SINCE)
        yield Operation("DELETE", one, self.delete, since=SINCE, ask=self.ask_one)
        yield Operation("POST", one + "/action", self.act, since=COMPLETED_SINCE)

    # The operations.

    def _list(self, call: Call, *, detail: bool) -> Reply:
        docs = query.matching(listed(call, self._model.attachments), call.query, FILTERS)

        def view(doc: Doc) -> Doc:
            return views.attachment(doc, detail=detail)

        body = query.answer(
            call, "attachments", docs, view, sort_keys=SORT_KEYS, version=minor(call)
        )
        return Reply(body=body)

    def list_short(self, call: Call) -> Reply:
        return self._list(call, detail=False)

    def list_detail(self, call: Call) -> Reply:
        return self._list(call, detail=True)

    def show(self, call: Call) -> Reply:
        return Reply(body={"attachment": views.attachment(self._need(call), detail=True)})

    def create(self, call: Call) -> Reply:
        sent = parse(CreateBody, call.body, "attachment")
        if sent.mode is not None and minor(call) < MODE_SINCE:
            raise Fault(400, "Unrecognized attribute(s) 'mode': it exists from version 3.54 on.")
        volume = self._model.need_volume(call.caller, sent.volume_uuid)
        doc = self.reserve(volume, sent.instance_uuid, sent.mode)
        if sent.connector:  # clients send {} for none
            doc = self.connect(doc, sent.connector)
        return Reply(200, {"attachment": views.attachment(doc, detail=True)})

    def update(self, call: Call) -> Reply:
        sent = parse(UpdateBody, call.body, "attachment")
        doc = self.connect(self._need(call), sent.connector)
        return Reply(200, {"attachment": views.attachment(doc, detail=True)})

    def act(self, call: Call) -> Reply:
        if "os-complete" not in call.body:
            raise Fault(400, f"There is no such action: {next(iter(call.body), '')}")
        # Also one without a host: so a server that has none at the moment shows its volumes.
        self.complete(self._need(call))
        return Reply(204)

    def delete(self, call: Call) -> Reply:
        doc = self._need(call)
        refuse_if_used(call)
        self.remove(doc)
        left = self._model.attachments.find("volume", doc["volume_id"])
        return Reply(200, {"attachments": [views.attachment(a, detail=False) for a in left]})

    def _need(self, call: Call) -> Doc:
        return self._model.need_attachment(call.caller, call.param("id"))

    # What they do, for the older actions of volumes as well.

    def reserve(self, volume: Doc, server_id: str | None, mode: str | None = None) -> Doc:
        """A new attachment without a host; Fault 400 when the volume cannot have one now."""
        model = self._model
        check_may_reserve(volume, model.attachments.find("volume", volume["id"]), server_id)
        doc = model.attachments.put(
            {
                "id": model.new_id(),
                "volume_id": volume["id"],
                "instance": server_id,
                "project_id": volume["project_id"],
                "status": RESERVED,
                "mode": "ro" if volume["readonly"] else mode or "rw",
                "host": None,
                "device": None,
                "connection_info": {},
                "created_at": model.stamp(),
                "attached_at": None,
            }
        )
        self._follow(volume["id"])
        return doc

    def connect(self, doc: Doc, connector: Doc) -> Doc:
        """The attachment with a host and the way to the volume from there. Repeatable."""
        if not connector.get("host"):
            raise Fault(400, "Invalid input for connector: it names no host.")
        volume = self._model.volumes.get(doc["volume_id"])
        assert volume is not None, "an attachment goes with its volume"
        changes = {
            "host": str(connector["host"]),
            "device": connector.get("mountpoint") or doc["device"],
            "connection_info": connection(volume, doc, connector),
        }
        status = ATTACHED if doc["status"] == ATTACHED else ATTACHING
        new = self._model.attachments.put({**doc, **changes, "status": status})
        self._follow(doc["volume_id"])
        return new

    def complete(self, doc: Doc) -> Doc:
        """The host has the volume. Repeatable."""
        attached_at = doc["attached_at"] or self._model.stamp()
        new = self._model.attachments.put({**doc, "status": ATTACHED, "attached_at": attached_at})
        self._follow(doc["volume_id"])
        return new

    def remove(self, doc: Doc) -> None:
        self._model.attachments.delete(doc["id"])
        self._follow(doc["volume_id"])

    def _follow(self, volume_id: str) -> None:
        """Give the volume the status that its attachments mean."""
        volume = self._model.volumes.get(volume_id)
        if volume is not None and volume["status"] in OF_ATTACHING:
            status = status_by(self._model.attachments.find("volume", volume_id))
            self._model.put_volume(volume, status=status)

    # Whether compute uses what is to be taken away.

    async def ask_one(self, call: Call) -> str | None:
        doc = self._model.attachments.get(call.param("id"))
        return await self.user_of(call, [] if doc is None else [doc])

    async def user_of(self, call: Call, docs: Iterable[Doc]) -> str | None:
        """The server that uses one of these attachments; nobody asks for a service."""
        if "service" in call.service.roles:
            return None
        for doc in docs:
            server_id, volume_id = doc["instance"], doc["volume_id"]
            if server_id and await self._compute.uses(server_id, volume_id, doc["id"]):
                return str(server_id)
        return None


def refuse_if_used(call: Call) -> None:
    """Fault 409 when `user_of` has found a server."""
    if call.known is not None:
        raise Fault(
            409,
            f"Detach volume from instance {call.known} using the Compute API: it uses this"
            " attachment.",
        )


def connection(volume: Doc, doc: Doc, connector: Doc) -> Doc:
    """What a host is told about the way to a volume."""
    return {
        "driver_volume_type": "standin",
        "volume_id": volume["id"],
        "attachment_id": doc["id"],
        "host": connector["host"],
        "access_mode": doc["mode"],
        "encrypted": volume["encrypted"],
        "discard": False,
        "cacheable": False,
        "qos_specs": None,
    }

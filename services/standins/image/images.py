"""`/v2/images`: records, tags, activation.

Owns: the calls that do not move bytes. May not: read or write files beyond removing one.
Crash story: see store.py; a deleted image's file that a crash leaves is removed at start.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.standins.image import query
from services.standins.image.files import Files
from services.standins.image.patch import apply_patch
from services.standins.image.records import BASE, ImageBody, Records, check_properties, owns, view
from services.standins.store import Doc
from services.standins.web import Call, Fault, Reply, Route, complete, parse_inner


class Images:
    def __init__(self, records: Records, files: Files) -> None:
        self._records = records
        self._files = files

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v2/images", self.list)
        yield Route("POST", "/v2/images", self.create)
        one = "/v2/images/{id}"
        yield Route("GET", one, self.show, for_hosts=True)
        yield Route("PATCH", one, self.patch, raw_list=True)
        yield Route("DELETE", one, self.delete)
        yield Route("PUT", one + "/tags/{tag}", self.add_tag)
        yield Route("DELETE", one + "/tags/{tag}", self.remove_tag)
        yield Route("POST", one + "/actions/deactivate", self.deactivate)
        yield Route("POST", one + "/actions/reactivate", self.reactivate)
        yield Route("PUT", one + "/file", stream=self._files.upload, for_hosts=True)
        yield Route("GET", one + "/file", stream=self._files.download)

    def list(self, call: Call) -> Reply:
        visibility = call.query.get("visibility")
        member_status = call.query.get("member_status", "accepted")
        if visibility not in {None, "all", "public", "private", "shared", "community"}:
            raise Fault(400, f"Invalid input for visibility: '{visibility}' is not a visibility")
        if member_status not in {"all", "accepted", "pending", "rejected"}:
            raise Fault(400, f"Invalid input for member_status: '{member_status}' is not a status")
        listed = (
            doc
            for doc in self._records.newest_first()
            if self._records.listed(call.caller, doc, visibility, member_status)
        )
        return Reply(body=query.answer(query.matching(listed, call.query), call.query))

    def show(self, call: Call) -> Reply:
        return Reply(body=view(self._records.need(call.caller, call.param("id"))))

    def create(self, call: Call) -> Reply:
        fields = complete(parse_inner(ImageBody, call.body))
        properties = check_properties({n: fields.pop(n) for n in list(fields) if n not in BASE})
        if fields["owner"] is None or not call.caller.is_admin:
            if fields["owner"] not in {None, call.caller.project_id}:
                raise Fault(403, "You are not permitted to create images owned by another project.")
            fields["owner"] = call.caller.project_id
        self._check_visibility(call, fields["visibility"])
        doc = self._records.new(fields, properties)
        if doc["id"] in self._records.images:
            raise Fault(409, f"Image ID {doc['id']} already exists!")
        self._records.images.put(doc)
        location = f"{call.base_url}/image/v2/images/{doc['id']}"
        return Reply(201, view(doc), {"Location": location})

    def patch(self, call: Call) -> Reply:
        if "json-patch" not in call.request.content_type:
            raise Fault(415, "Use the type application/openstack-images-v2.1-json-patch.")
        old = self._records.need(call.caller, call.param("id"), to_change=True)
        new = apply_patch(old, call.body.get("list"), is_admin=call.caller.is_admin)
        if new["visibility"] != old["visibility"]:
            self._check_visibility(call, new["visibility"])
        return Reply(body=view(self._put(new)))

    def delete(self, call: Call) -> Reply:
        doc = self._records.need(call.caller, call.param("id"), to_change=True)
        if doc["protected"]:
            raise Fault(403, f"Image {doc['id']} is protected and cannot be deleted.")
        for member in self._records.members.find("image", doc["id"]):
            self._records.members.delete(member["id"])
        self._records.images.delete(doc["id"])
        self._files.remove(doc["id"])
        return Reply(204)

    def add_tag(self, call: Call) -> Reply:
        doc = self._records.need(call.caller, call.param("id"), to_change=True)
        tag = call.param("tag")
        if len(tag) > 255:
            raise Fault(400, "Invalid input for tag: longer than 255 characters")
        self._put({**doc, "tags": [t for t in doc["tags"] if t != tag] + [tag]})
        return Reply(204)

    def remove_tag(self, call: Call) -> Reply:
        doc = self._records.need(call.caller, call.param("id"), to_change=True)
        tag = call.param("tag")
        if tag not in doc["tags"]:
            raise Fault(404, f"Image {doc['id']} has no tag {tag}.")
        self._put({**doc, "tags": [t for t in doc["tags"] if t != tag]})
        return Reply(204)

    def deactivate(self, call: Call) -> Reply:
        return self._set_status(call, "active", "deactivated")

    def reactivate(self, call: Call) -> Reply:
        return self._set_status(call, "deactivated", "active")

    def _set_status(self, call: Call, expected: str, status: str) -> Reply:
        doc = self._records.need(call.caller, call.param("id"))
        if not owns(call.caller, doc):
            raise Fault(403, "You are not permitted to modify this image.")
        if doc["status"] not in {expected, status}:
            raise Fault(403, f"Image {doc['id']} is {doc['status']}, not {expected}.")
        self._put({**doc, "status": status})
        return Reply(204)

    def _put(self, doc: Doc) -> Doc:
        return self._records.images.put(self._records.changed(doc))

    def _check_visibility(self, call: Call, visibility: str) -> None:
        if visibility == "public" and not call.caller.is_admin:
            raise Fault(403, "You are not permitted to make an image public.")

"""`/v2/images/{id}/members`: projects with whom an image is shared.

Owns: offering, accepting, withdrawing. May not: show an image (records.py decides).
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from services.standins.image.records import Records, owns
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, Route, parse_inner

MAX_MEMBERS = 128


class Offer(Body):
    member: str = Field(min_length=1, max_length=255)


class Verdict(Body):
    status: Literal["pending", "accepted", "rejected"]


class Members:
    def __init__(self, records: Records) -> None:
        self._records = records

    def routes(self) -> Iterable[Route]:
        base = "/v2/images/{id}/members"
        yield Route("GET", base, self.list)
        yield Route("POST", base, self.create)
        yield Route("GET", base + "/{member}", self.show)
        yield Route("PUT", base + "/{member}", self.update)
        yield Route("DELETE", base + "/{member}", self.delete)

    def _shared(self, call: Call) -> Doc:
        image = self._records.need(call.caller, call.param("id"))
        if image["visibility"] != "shared":
            raise Fault(403, "Only shared images have members.")
        return image

    def _owned(self, call: Call) -> Doc:
        image = self._shared(call)
        if not owns(call.caller, image):
            raise Fault(403, "Only the owner of an image changes its members.")
        return image

    def _member(self, call: Call) -> Doc:
        """The membership named in the path, if the caller may know of it."""
        image = self._records.need(call.caller, call.param("id"))
        member_id = call.param("member")
        member = self._records.members.get(f"{image['id']}/{member_id}")
        if member is None or not (owns(call.caller, image) or member_id == call.caller.project_id):
            raise Fault(404, f"{member_id} not found in the member list of image {image['id']}.")
        return member

    def list(self, call: Call) -> Reply:
        image = self._shared(call)
        members = self._records.members.find("image", image["id"])
        if not owns(call.caller, image):
            members = [m for m in members if m["member_id"] == call.caller.project_id]
        body = {"members": [_view(m) for m in members], "schema": "/v2/schemas/members"}
        return Reply(body=body)

    def show(self, call: Call) -> Reply:
        return Reply(body=_view(self._member(call)))

    def create(self, call: Call) -> Reply:
        image = self._owned(call)
        member_id = parse_inner(Offer, call.body).member
        doc_id = f"{image['id']}/{member_id}"
        if doc_id in self._records.members:
            raise Fault(409, f"Image {image['id']} is already shared with {member_id}.")
        if self._records.members.count("image", image["id"]) >= MAX_MEMBERS:
            raise Fault(413, f"An image is shared with at most {MAX_MEMBERS} projects.")
        now = self._records.stamp()
        doc = {
            "id": doc_id,
            "image_id": image["id"],
            "member_id": member_id,
            "status": "pending",
            "created_at": now,
            "updated_at": now,
        }
        return Reply(body=_view(self._records.members.put(doc)))

    def update(self, call: Call) -> Reply:
        member = self._member(call)
        if member["member_id"] != call.caller.project_id and not call.caller.is_admin:
            raise Fault(403, "Only the member accepts or rejects an image.")
        status = parse_inner(Verdict, call.body).status
        new = {**member, "status": status, "updated_at": self._records.stamp()}
        return Reply(body=_view(self._records.members.put(new)))

    def delete(self, call: Call) -> Reply:
        self._owned(call)
        self._records.members.delete(self._member(call)["id"])
        return Reply(204)


def _view(member: Doc) -> Doc:
    return {**{k: v for k, v in member.items() if k != "id"}, "schema": "/v2/schemas/member"}

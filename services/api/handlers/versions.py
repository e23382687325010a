"""The version document below an API version: GET /versions/{id} and GET /{project_id}/."""

from __future__ import annotations

from common.errors import NotFound
from services.api.http.documents import version_document
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas.query import any_parameters


async def show(request: Request) -> Reply:
    document = version_document(request.params.get("id", "v2.1"), request.links.host)
    if document is None:
        raise NotFound("The resource could not be found.")
    return Reply(document)


OPERATIONS = [
    Operation("GET", "/", show, policy=None, query=any_parameters),
    Operation("GET", "/versions/{id}", show, policy=None, query=any_parameters),
]

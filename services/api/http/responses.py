"""HTTP answers: status, body, and the headers every client looks for.

Owns: the answer headers per kind of answer. May not: decide what is answered.
Crash story: none, pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from multidict import CIMultiDict

from services.api.http import faults
from services.api.http.negotiation import LEGACY_HEADER, STANDARD_HEADER

JSON = "application/json"
_FAULT_JSON = "application/json; charset=UTF-8"
_NOT_FOUND_TEXT = "The resource could not be found."


def headers(
    content_type: str, request_id: str | None = None, version: str | None = None
) -> CIMultiDict[str]:
    """The common headers; `version` as "2.96", None where version headers do not belong."""
    made = CIMultiDict({"Content-Type": content_type})
    if request_id is not None:
        made["x-openstack-request-id"] = request_id
        made["x-compute-request-id"] = request_id
    if version is not None:
        made[STANDARD_HEADER] = f"compute {version}"
        made[LEGACY_HEADER] = version
        made.add("Vary", STANDARD_HEADER)
        made.add("Vary", LEGACY_HEADER)
    return made


def dumps(body: Any) -> bytes:
    """JSON bytes; times become ISO 8601 in UTC with "Z" and whole seconds, UUIDs text."""
    return orjson.dumps(
        body, default=_subclass, option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
    )


def _subclass(value: Any) -> str:
    """asyncpg's UUIDs are a subclass, which orjson does not take for the real thing."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value)} does not belong in an answer")


def reply(
    status: int,
    body: Any,
    extra: Mapping[str, str],
    request_id: str | None,
    version: str | None,
) -> web.Response:
    """A success. Without a body the answer still says it would have been JSON."""
    made = headers(JSON, request_id, version)
    made.extend(extra)
    return web.Response(status=status, body=None if body is None else dumps(body), headers=made)


def fault(error: BaseException, request_id: str, version: str | None) -> web.Response:
    """A failure of an operation."""
    status = faults.status_of(error)
    retry_after_s = faults.retry_after_s(error)
    made = headers(_FAULT_JSON, request_id, version)
    if retry_after_s is not None:
        made["Retry-After"] = str(retry_after_s)
    body = faults.body(status, faults.message_of(error), retry_after_s)
    return web.Response(status=status, body=dumps(body), headers=made)


def unauthorized(message: str, request_id: str, auth_url: str) -> web.Response:
    """A request nobody can be held to; no version headers."""
    made = headers(JSON, request_id)
    made["WWW-Authenticate"] = f'Keystone uri="{auth_url}"'
    error = {"code": 401, "title": "Unauthorized", "message": message}
    return web.Response(status=401, body=dumps({"error": error}), headers=made)


def plain(status: int, title: str, text: str, accept: str, request_id: str) -> web.Response:
    """An answer from before any operation: a page, or JSON for those who ask for it."""
    if JSON in accept:
        body = dumps(
            {"message": f"{text}<br /><br />", "code": f"{status} {title}", "title": title}
        )
        return web.Response(status=status, body=body, headers=headers(JSON, request_id))
    page = (
        f"<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n"
        f"  <h1>{status} {title}</h1>\n  {text}<br /><br />\n </body>\n</html>"
    )
    made = headers("text/html; charset=UTF-8", request_id)
    return web.Response(status=status, body=page.encode(), headers=made)


def unknown_path(accept: str, request_id: str) -> web.Response:
    """A path, or a method on it, that no operation has."""
    return plain(404, "Not Found", _NOT_FOUND_TEXT, accept, request_id)


def too_large(limit_bytes: int, accept: str, request_id: str) -> web.Response:
    """A body over the limit; it was not read."""
    text = f"The request body may have at most {limit_bytes} bytes."
    return plain(413, "Request Entity Too Large", text, accept, request_id)


def too_slow(accept: str, request_id: str) -> web.Response:
    """A body that did not come; what may yet come of it is not waited for."""
    text = "The request body did not arrive in time."
    answer = plain(408, "Request Timeout", text, accept, request_id)
    answer.force_close()
    return answer

"""Version documents: what a client reads before it knows anything.

Owns: the answers outside any operation: `/`, `/v2.1/`, `/v2/`, and the choices for a path that
belongs to no API version. No token is needed for them.
May not: reach the database. Crash story: none.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.api import versions
from services.api.http import negotiation, responses

_DOCUMENTED_AT = "http://docs.openstack.org/"
_VERSIONS: dict[str, dict[str, Any]] = {
    "v2.0": {
        "segment": "v2",
        "media": "2",
        "status": "DEPRECATED",
        "version": "",
        "min_version": "",
        "updated": "2025-07-04T12:00:00Z",
    },
    "v2.1": {
        "segment": "v2.1",
        "media": "2.1",
        "status": "CURRENT",
        "version": versions.show(versions.MAX),
        "min_version": versions.show(versions.MIN),
        "updated": "2013-07-23T11:33:21Z",
    },
}


def _summary(version: str, base: str) -> dict[str, Any]:
    facts = _VERSIONS[version]
    return {
        "id": version,
        "links": [{"rel": "self", "href": f"{base}/{facts['segment']}/"}],
        "status": facts["status"],
        "version": facts["version"],
        "min_version": facts["min_version"],
        "updated": facts["updated"],
    }


def _media_types(version: str) -> list[dict[str, str]]:
    kind = f"application/vnd.openstack.compute+json;version={_VERSIONS[version]['media']}"
    return [{"base": "application/json", "type": kind}]


def version_document(version: str, base: str) -> dict[str, Any] | None:
    """The whole document of "v2.0" or "v2.1"; None for another id."""
    if version not in _VERSIONS:
        return None
    described = {"rel": "describedby", "type": "text/html", "href": _DOCUMENTED_AT}
    document = _summary(version, base)
    document["links"].append(described)
    return {"version": {**document, "media-types": _media_types(version)}}


def root(http: web.BaseRequest, base: str, segment: str, request_id: str) -> web.Response:
    """GET /v2.1/ and /v2/."""
    current = segment == "v2.1"
    document = version_document("v2.1" if current else "v2.0", base)
    version = versions.show(versions.MIN)
    if current:
        try:
            version = versions.show(negotiation.requested(http.headers))
        except negotiation.VersionOutOfRange as error:
            return responses.fault(error, request_id, error.version)
        except negotiation.MalformedVersion as error:
            return responses.fault(error, request_id, None)
    return responses.reply(200, document, {}, request_id, version if current else None)


def outside(base: str, path: str) -> web.Response:
    """Anything not under an API version."""
    if path == "/":
        body: dict[str, Any] = {"versions": [_summary(version, base) for version in _VERSIONS]}
        return responses.reply(200, body, {}, None, None)
    choices = [
        {
            "id": version,
            "status": facts["status"],
            "links": [{"rel": "self", "href": f"{base}/{facts['segment']}{path}"}],
            "media-types": _media_types(version),
        }
        for version, facts in _VERSIONS.items()
    ]
    return responses.reply(300, {"choices": choices}, {}, None, None)

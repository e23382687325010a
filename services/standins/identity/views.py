"""How identity documents look on the wire.

Owns: rendering of resources, tokens and the catalog. May not: decide who may see them.
Crash story: pure functions of documents.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.standins.identity.model import Model, stamp
from services.standins.identity.tokens import Token
from services.standins.store import Doc

VERSION = {
    "id": "v3.14",
    "status": "stable",
    "updated": "2020-04-07T00:00:00Z",
    "media-types": [
        {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
    ],
}


def version(base_url: str) -> Doc:
    return {**VERSION, "links": [{"rel": "self", "href": f"{base_url}/identity/v3/"}]}


def visible(doc: Doc) -> Doc:
    """A document without its private fields."""
    return {k: v for k, v in doc.items() if not k.startswith("_")}


def resource(doc: Doc, plural: str, base_url: str) -> Doc:
    self_link = f"{base_url}/identity/v3/{plural}/{doc['id']}"
    return {**visible(doc), "links": {"self": self_link}}


def listing(docs: Iterable[Doc], plural: str, base_url: str) -> Doc:
    links = {"next": None, "self": f"{base_url}/identity/v3/{plural}", "previous": None}
    return {plural: [resource(doc, plural, base_url) for doc in docs], "links": links}


def expand_url(url: str, base_url: str, project_id: str) -> str:
    """Fill an endpoint's `$(base_url)s` and `$(project_id)s`; `%(...)s` is the older spelling."""
    if "(" not in url:
        return url
    filled = url.replace("$(base_url)s", base_url)
    for sign in ("$", "%"):
        for name in ("project_id", "tenant_id"):
            filled = filled.replace(f"{sign}({name})s", project_id)
    return filled


def catalog(model: Model, base_url: str, project_id: str) -> list[Doc]:
    """Enabled services with their enabled endpoints."""
    result = []
    for service in model.services:
        if not service["enabled"]:
            continue
        endpoints = [
            {
                "id": endpoint["id"],
                "interface": endpoint["interface"],
                "region": endpoint["region_id"],
                "region_id": endpoint["region_id"],
                "url": expand_url(endpoint["url"], base_url, project_id),
            }
            for endpoint in model.endpoints.find("service", service["id"])
            if endpoint["enabled"]
        ]
        entry = {"id": service["id"], "type": service["type"], "name": service.get("name", "")}
        result.append({**entry, "endpoints": endpoints})
    return result


def named(doc: Doc) -> Doc:
    return {"id": doc["id"], "name": doc["name"]}


def with_domain(model: Model, doc: Doc) -> Doc:
    domain_id = doc["domain_id"]
    return {**named(doc), "domain": {"id": domain_id, "name": model.domain_name(domain_id)}}


def token(model: Model, found: Token, base_url: str, *, with_catalog: bool) -> Doc:
    """The `token` object of a login or a check."""
    body: Doc = {
        "methods": found.methods,
        "user": {**with_domain(model, found.user), "password_expires_at": None},
        "audit_ids": [found.audit_id],
        "expires_at": stamp(found.expires_at),
        "issued_at": stamp(found.issued_at),
    }
    if found.scope.kind == "project" and found.target is not None:
        body["project"] = with_domain(model, found.target)
        body["is_domain"] = False
    elif found.scope.kind == "domain" and found.target is not None:
        body["domain"] = named(found.target)
    elif found.scope.kind == "system":
        body["system"] = {"all": True}
    if found.scope.kind:
        body["roles"] = [named(role) for role in found.roles]
        if with_catalog:
            body["catalog"] = catalog(model, base_url, found.caller.project_id)
    if found.credential is not None:
        body["application_credential"] = {
            **named(found.credential),
            "restricted": not found.credential["unrestricted"],
        }
    return body

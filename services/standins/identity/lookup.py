"""Finding what a path names.

Owns: the 404 of identity. May not: decide who may know of it; whoever looks up has asked before.
Crash story: pure functions.
"""

from __future__ import annotations

from services.standins.identity.model import Model
from services.standins.store import Doc
from services.standins.web import Fault


def need(model: Model, kind: str, doc_id: str) -> Doc:
    """The document; Fault 404 in the service's words."""
    collections = {
        "project": model.projects,
        "domain": model.domains,
        "user": model.users,
        "group": model.groups,
        "role": model.roles,
    }
    doc = collections[kind].get(doc_id)
    if doc is None:
        raise Fault(404, f"Could not find {kind}: {doc_id}.")
    return doc

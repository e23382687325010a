"""JSON patches of an image.

Owns: `add`, `replace`, `remove` on the flat record. May not: keep the result.
Crash story: pure functions.
"""

from __future__ import annotations

from typing import Any, Literal

from services.standins.image.records import BASE, READ_ONLY, ImageBody, check_properties
from services.standins.store import Doc
from services.standins.web import Body, Fault, complete, parse_inner


class Change(Body):
    op: Literal["add", "replace", "remove"]
    path: str
    value: Any = None


def apply_patch(doc: Doc, changes: object, *, is_admin: bool) -> Doc:
    """The image after all changes; Fault 400, 403 or 409 for the first that cannot be."""
    if not isinstance(changes, list):
        raise Fault(400, "The request body must be a JSON list of changes.")
    base: Doc = {}
    properties = dict(doc["_properties"])
    for raw in changes:
        change = parse_inner(Change, _with_op(raw))
        name = _name(change.path)
        if name in READ_ONLY or name == "id" or (name == "owner" and not is_admin):
            raise Fault(403, f"Attribute '{name}' is read-only.")
        if name in BASE:
            if change.op == "remove":
                raise Fault(403, f"Property '{name}' is a base attribute and cannot be removed.")
            base[name] = change.value
        elif change.op == "add":
            properties[name] = change.value
        elif name not in properties:
            raise Fault(409, f"Property {name} does not exist.")
        elif change.op == "replace":
            properties[name] = change.value
        else:
            del properties[name]
    check_properties(properties)
    present = {name: doc[name] for name in BASE if name != "id"}
    checked = complete(parse_inner(ImageBody, {**present, **base}))
    new = {**doc, **{name: checked[name] for name in base}, "_properties": properties}
    _check_formats(doc, new)
    return new


def _with_op(raw: object) -> object:
    """A change of version 2.0, {"add": path}, in the form of 2.1, {"op": "add", "path": path}."""
    if not isinstance(raw, dict) or "op" in raw:
        return raw
    ops = raw.keys() & {"add", "replace", "remove"}
    if len(ops) != 1:
        return raw
    (op,) = ops
    return {"op": op, "path": raw[op], **{k: v for k, v in raw.items() if k != op}}


def _name(path: str) -> str:
    if not path.startswith("/") or "/" in path[1:] or len(path) == 1:
        raise Fault(400, f"Invalid input for path: '{path}' is not one field of an image")
    return path[1:].replace("~1", "/").replace("~0", "~")


def _check_formats(old: Doc, new: Doc) -> None:
    """Formats describe the bytes, so they stay once there are some."""
    for name in ("disk_format", "container_format"):
        if old["status"] != "queued" and old[name] != new[name]:
            raise Fault(403, f"Attribute {name} can be only replaced for a queued image.")

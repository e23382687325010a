"""The Compute API of one microversion as an OpenAPI 3.1 document.

Owns: the translation of declared operations; what is not declared is not in it.
May not: know any resource. Crash story: none, a pure function.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from services.api import versions
from services.api.http.coercion import BECOMES
from services.api.http.negotiation import STANDARD_HEADER
from services.api.operation import Operation, Schema

_OURS = frozenset({BECOMES, "textRange"})
"""Keywords that OpenAPI tools do not know; what they mean is refined in validation.py."""
_EVERY_FAILURE = (400, 401, 403, 404, 406, 413, 415, 429, 503)
_WRITE_FAILURE = 409
_FAULT: Schema = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    },
}


def document(operations: Iterable[Operation], version: int, server_url: str) -> dict[str, Any]:
    """`server_url` is the API's address with its version segment, e.g. http://host:8774/v2.1."""
    paths: dict[str, dict[str, list[Operation]]] = defaultdict(lambda: defaultdict(list))
    for row in operations:
        if row.since <= version <= row.until:
            paths[row.path][row.method.lower()].append(row)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Muster: Compute API", "version": versions.show(version)},
        "servers": [{"url": server_url}],
        "security": [{"token": []}],
        "paths": {
            path: {method: _operation(rows, version) for method, rows in methods.items()}
            for path, methods in sorted(paths.items())
        },
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
            "schemas": {"Fault": _FAULT},
        },
    }


def _operation(rows: list[Operation], version: int) -> dict[str, Any]:
    """Actions of one path are one operation of OpenAPI whose body is one of theirs."""
    first = rows[0]
    described: dict[str, Any] = {
        "operationId": f"{first.method} {first.path}",
        "parameters": [
            {
                "name": STANDARD_HEADER,
                "in": "header",
                "required": True,
                "schema": {"const": f"compute {versions.show(version)}"},
            },
            *_path_parameters(first.path),
            *_query_parameters(first, version),
        ],
        "responses": _responses(rows, version),
    }
    bodies = [_body(row, version) for row in rows if row.body is not None or row.action]
    if bodies:
        schema = bodies[0] if len(bodies) == 1 else {"oneOf": bodies}
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(row: Operation, version: int) -> list[dict[str, Any]]:
    properties = row.query(version).get("properties", {}) if row.query else {}
    return [
        {"name": name, "in": "query", "explode": True, "schema": _standard(schema)}
        for name, schema in properties.items()
    ]


def _body(row: Operation, version: int) -> Schema:
    if row.body is None:
        return {"type": "object", "required": [row.action], "properties": {row.action: {}}}
    body: Schema = _standard(row.body(version))
    return body


def _standard(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _standard(value) for key, value in schema.items() if key not in _OURS}
    return [_standard(each) for each in schema] if isinstance(schema, list) else schema


def _responses(rows: list[Operation], version: int) -> dict[str, Any]:
    codes = {code for row in rows for code in (*row.may_answer, row.removed) if code}
    codes |= {*_EVERY_FAILURE, *([] if rows[0].method == "GET" else [_WRITE_FAILURE])}
    fault = {"schema": {"$ref": "#/components/schemas/Fault"}}
    failures = {
        str(code): {"description": "Refused", "content": {"application/json": fault}}
        for code in sorted(codes)
    }
    done = {
        str(row.status(version)): {"description": "Done"} for row in rows if row.removed is None
    }
    return {**done, **failures}

"""The API's documents say what the declarations say."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from services.api import versions
from services.api.handlers import all_operations
from services.api.openapi import document

OPERATIONS = all_operations()


@pytest.mark.parametrize("version", [versions.MIN, 35, 79, versions.MAX])
def test_every_operation_of_the_version_and_no_other(version: int) -> None:
    described = document(OPERATIONS, version, "http://host/v2.1")
    declared = {
        (row.path, row.method.lower()) for row in OPERATIONS if row.since <= version <= row.until
    }
    assert declared == {
        (path, method) for path, methods in described["paths"].items() for method in methods
    }


def test_schemas_are_standard() -> None:
    for methods in document(OPERATIONS, versions.MAX, "http://host/v2.1")["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            Draft202012Validator.check_schema(body.get("schema", {}))
            assert "becomes" not in str(body)


def test_actions_of_a_path_are_one_operation_with_their_bodies() -> None:
    described = document(OPERATIONS, versions.MAX, "http://host/v2.1")
    action = described["paths"]["/servers/{server_id}/action"]["post"]
    schemas = action["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    keys = {key for schema in schemas for key in schema["properties"]}
    assert {"reboot", "pause", "os-resetState"} <= keys
    assert {"200", "202", "404", "409"} <= set(action["responses"])

"""No operation without a token, and none for somebody who has no role that counts.

Walks the declarations, so a new operation is tested by being there. It fails for an operation that
takes a body and has no example, for a rule nobody declared, and for one that lets a stranger in.
"""

from __future__ import annotations

import re

import pytest

from services.api.handlers import all_operations
from services.api.operation import Operation
from services.api.policies import all_rules
from tests.functional.api.conftest import Deployment
from tests.functional.api.examples import example

OPEN = {
    "GET /",
    "GET /versions/{id}",
    "GET /flavors",
    "GET /flavors/detail",
    "GET /flavors/{flavor_id}",
    # A user's own key pairs need no role.
    "GET /os-keypairs",
    "GET /os-keypairs/{name}",
    "POST /os-keypairs",
    "DELETE /os-keypairs/{name}",
    # The image service decides what the caller sees.
    "GET /images",
    "GET /images/detail",
    "GET /limits",
}
"""Operations for every authenticated user, without a rule that says so."""
ANYBODY = "@"
_IDS = {"flavor_id": "1", "id": "11111111-2222-3333-4444-555555555555"}

_ANY = ("alias", "key", "name")

OPERATIONS = all_operations()


def _name(operation: Operation) -> str:
    return f"{operation.id} 2.{operation.since}-2.{operation.until}"


@pytest.fixture(scope="module")
async def server_id(deployment: Deployment) -> str:
    return await deployment.add_server("nobody", None)


def _path(operation: Operation, deployment: Deployment) -> str:
    if operation.path == "/":  # without a project this is the document that needs no token
        return f"/{deployment.projects['nobody']}/"
    values = {"project_id": deployment.projects["other"], **_IDS, **dict.fromkeys(_ANY, "x")}
    return re.sub(r"\{(\w+)\}", lambda hole: values.get(hole[1], hole[0]), operation.path)


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
async def test_nothing_without_a_token(deployment: Deployment, operation: Operation) -> None:
    answer = await deployment.call(
        operation.method, _path(operation, deployment), user=None, v=operation.until
    )
    assert answer.status == 401


def test_every_rule_is_declared() -> None:
    rules = all_rules()
    named = {operation.policy for operation in OPERATIONS if isinstance(operation.policy, str)}
    assert named <= set(rules)


@pytest.mark.parametrize(
    "operation",
    [
        operation
        for operation in OPERATIONS
        if operation.removed is None
        and operation.id not in OPEN
        and all_rules().get(str(operation.policy)) != ANYBODY
    ],
    ids=_name,
)
async def test_nothing_for_a_stranger(
    deployment: Deployment, operation: Operation, server_id: str
) -> None:
    """The server is of the stranger's own project, so it is found before it is refused."""
    body = example(operation.id, operation.until)
    if operation.action and body is None:
        body = {operation.action: None}
    answer = await deployment.call(
        operation.method,
        _path(operation, deployment).replace("{server_id}", server_id),
        body,
        user="nobody",
        v=operation.until,
    )
    assert answer.status != 400, f"add a valid body to examples.py: {answer.body}"
    denied = (403,) if operation.policy else (403, 404)
    assert answer.status in denied, answer.body


@pytest.mark.parametrize("version", [1, 104])
async def test_open_operations_are_open(deployment: Deployment, version: int) -> None:
    for operation in OPERATIONS:
        if operation.id in OPEN and operation.method == "GET":
            path = _path(operation, deployment).replace("/os-keypairs/x", "/os-keypairs")
            answer = await deployment.call("GET", path, user="nobody", v=version)
            assert answer.status in (200, 404), operation.id

"""Who may do what: every operation is tried by everybody, and nothing is left out.

Walks the declarations, so a new operation is tried by being there. It fails for one that takes a
body and has no example, and for one that lets somebody in or keeps somebody out against its rule's
default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.api import versions
from services.api.handlers import all_operations
from services.api.operation import Operation
from services.api.policies import all_rules
from services.api.policies.base import ADMIN, ANYBODY, MANAGER, MEMBER, READER, SERVICE
from tests.functional.api.conftest import Deployment
from tests.functional.api.examples import example

PEOPLE = {
    "nobody": "a role that counts for nothing",
    "other": "member of another project",
    "reader": "reader",
    "demo": "member",
    "manager": "manager",
    "admin": "admin",
    "service": "service",
}
"""Of project demo, but for `other` and `admin`; the servers are of project demo."""
EVERYBODY = frozenset(PEOPLE)
ALLOWED = {
    ANYBODY: EVERYBODY,
    READER: frozenset({"reader", "demo", "manager", "admin"}),
    MEMBER: frozenset({"demo", "manager", "admin"}),
    MANAGER: frozenset({"manager", "admin"}),
    ADMIN: frozenset({"admin"}),
    SERVICE: frozenset({"service", "admin"}),
    "(rule:context_is_admin) or user_id:%(user_id)s": EVERYBODY,  # about the caller's own
}
"""By the default of a rule, whoever asks about what is of project demo, or of its own."""
DECIDED_ELSEWHERE = "/images"
"""The image service decides what the caller sees and changes there."""
OPEN = frozenset(
    {
        "GET /",
        "GET /versions/{id}",
        "GET /flavors",
        "GET /flavors/detail",
        "GET /flavors/{flavor_id}",
    }
)
"""For everybody with a token, and no rule says so."""
OF_ITS_OWN = frozenset({"GET /limits"})
"""The rule depends on the request, and this one is about the caller's own project."""
MIGRATES = frozenset(
    {
        "POST /servers/{server_id}/action#migrate",
        "POST /servers/{server_id}/action#os-migrateLive",
    }
)
"""Likewise; without a host they are for managers."""
UPDATES_ATTACHMENT = "PUT /servers/{server_id}/os-volume_attachments/{id}"
"""Likewise; below 2.85 it is a swap, from there, with the same volume, a change."""

AS_IT_WAS = (
    "update servers set locked_by = null, vm_state = 'active', task_state = null, "
    "deleted_at = null where uuid = $1::uuid"
)
_IDS = {"flavor_id": "1", "id": "11111111-2222-3333-4444-555555555555"}
_ANY = ("alias", "key", "name")
_OTHERS_TOO = ("OWN", "QUERY_USER")
"""Targets that are the caller's own, so that a member of another project may as well."""

_FOUND_FIRST = ("OWN", "SERVER", "SERVER_OR_DELETED", "PATH_PROJECT")
"""Targets that there are, so that a refusal to people of the project is never a "not found"."""

OPERATIONS = all_operations()


@pytest.fixture(scope="module")
async def server_id(deployment: Deployment) -> str:
    for role in ("manager", "service"):
        await deployment.add_person(role, project="demo", role=role)
    return await deployment.add_server("demo", None, flavor={"name": "f", "extra_specs": {}})


def _path(operation: Operation, deployment: Deployment, server_id: str) -> str:
    if operation.path == "/":  # without a project this is the document that needs no token
        return "/{own}/"
    values = {
        "project_id": deployment.projects["demo"],
        "server_id": server_id,
        **_IDS,
        **dict.fromkeys(_ANY, "x"),
    }
    return re.sub(r"\{(\w+)\}", lambda hole: values.get(hole[1], _IDS["id"]), operation.path)


def _versions(operation: Operation) -> Iterator[int]:
    yield operation.until
    if operation.since != operation.until:
        yield operation.since


def _allowed(operation: Operation, v: int) -> frozenset[str]:
    if operation.id in OPEN | OF_ITS_OWN or operation.removed is not None:
        return EVERYBODY
    if operation.id in MIGRATES:
        return ALLOWED[MANAGER]
    if operation.id == UPDATES_ATTACHMENT:
        return ALLOWED[MEMBER if v >= versions.UPDATE_ATTACHMENT else SERVICE]
    assert isinstance(operation.policy, str), f"say here who may {operation.id}"
    allowed = ALLOWED[all_rules()[operation.policy]]
    own = getattr(operation.target, "__qualname__", "").partition(".")[0] in _OTHERS_TOO
    return allowed | {"other"} if own and "demo" in allowed else allowed


def _complaint(operation: Operation, v: int, who: str, status: int, body: Any) -> str | None:
    """What is wrong with an answer, if anything."""
    if status == 400 and who == "nobody" and who not in _allowed(operation, v):
        return f"add a valid body to examples.py: {body}"
    if operation.path.startswith(DECIDED_ELSEWHERE):
        return "let in without a token" if status == 401 else None
    if who in _allowed(operation, v):
        return f"kept out: {body}" if status in {401, 403} or status == 500 else None
    target = getattr(operation.target, "__qualname__", "")
    hidden = who == "other" or target not in _FOUND_FIRST
    if status == 403 or (hidden and status == 404):
        return None
    return f"let in: {status} {body}"


async def test_everybody_at_every_operation(deployment: Deployment, server_id: str) -> None:
    wrong, tried = [], set()
    for operation in OPERATIONS:
        path = _path(operation, deployment, server_id)
        for v in _versions(operation):
            await deployment.pool.execute(AS_IT_WAS, server_id)
            body = example(operation.id, v)
            if operation.action and body is None:
                body = {operation.action: None}
            for who, role in PEOPLE.items():
                own = path.replace("{own}", deployment.projects[who])
                answer = await deployment.call(operation.method, own, body, user=who, v=v)
                said = _complaint(operation, v, who, answer.status, answer.body)
                if said:
                    wrong.append(f"{operation.id} 2.{v} as {who} ({role}) {said}")
        tried.add(operation.id)
    assert not wrong, "\n".join(wrong)
    assert tried == {operation.id for operation in OPERATIONS}


async def test_nothing_without_a_token(deployment: Deployment, server_id: str) -> None:
    for operation in OPERATIONS:
        path = _path(operation, deployment, server_id)
        path = path.replace("{own}", deployment.projects["demo"])
        for v in _versions(operation):
            answer = await deployment.call(operation.method, path, user=None, v=v)
            assert answer.status == 401, operation.id


def test_every_rule_is_declared() -> None:
    named = {operation.policy for operation in OPERATIONS if isinstance(operation.policy, str)}
    assert named <= set(all_rules())

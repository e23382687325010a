"""Operations that once were say so, to everybody alike."""

from __future__ import annotations

import re

import pytest

from services.api import versions
from services.api.handlers.removed import OPERATIONS
from services.api.operation import Operation
from tests.functional.api.conftest import Deployment


def _path(operation: Operation) -> str:
    return re.sub(r"\{\w+\}", "1", operation.path)


@pytest.mark.parametrize("user", ["admin", "nobody"])
async def test_they_say_so_in_a_fault(deployment: Deployment, user: str) -> None:
    for operation in OPERATIONS:
        body = {operation.action: None} if operation.action else None
        for version in (operation.since, operation.until):
            answer = await deployment.call(
                operation.method, f"{_path(operation)}", body, user=user, v=version
            )
            assert answer.status == operation.removed, operation.id
            assert answer.fault().endswith(".")
            assert answer.headers["OpenStack-API-Version"] == f"compute {versions.show(version)}"


async def test_what_has_an_end_is_not_there_after_it(deployment: Deployment) -> None:
    for operation in OPERATIONS:
        if operation.until < versions.MAX:
            body = {operation.action: None} if operation.action else None
            answer = await deployment.call(
                operation.method, _path(operation), body, v=operation.until + 1
            )
            assert (answer.status, set(answer.body)) == (404, {"itemNotFound"}), operation.id


async def test_without_a_token(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-agents", user=None)
    assert answer.status == 401

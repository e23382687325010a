"""A role of the operator's own: reads the servers of all projects, changes nothing.

No handler asks whether somebody is an administrator; the rules alone decide.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.functional.api.conftest import Deployment

ROLE = "auditor"
FLAVOR = {"name": "f", "extra_specs": {}}
READER, ADMIN = "rule:project_reader_or_admin", "rule:context_is_admin"
RULES = {
    "servers:index": READER,
    "servers:detail": READER,
    "servers:show": READER,
    "servers:index:get_all_tenants": ADMIN,
    "servers:detail:get_all_tenants": ADMIN,
    "os-instance-actions:list": READER,
    "os-instance-actions:show": READER,
}
"""What the role may, and who may by default."""


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file: Path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(
        "".join(
            f'"os_compute_api:{rule}": "role:{ROLE} or {others}"\n'
            for rule, others in RULES.items()
        )
    )
    return {"api": {"policy_file": str(file)}}


@pytest.fixture(scope="module")
async def server_id(deployment: Deployment) -> str:
    """Of project demo, with one action; the auditor is of another project."""
    await deployment.add_person(ROLE, project="audit", role=ROLE)
    server_id = await deployment.add_server("demo", None, name="theirs", flavor=FLAVOR)
    await deployment.pool.execute(
        "insert into instance_actions (server_uuid, action, request_id, user_id, project_id) "
        "values ($1, 'create', 'req-1', 'u', $2)",
        server_id,
        deployment.projects["demo"],
    )
    return server_id


@pytest.mark.parametrize("path", ["/servers", "/servers/detail"])
async def test_lists(deployment: Deployment, server_id: str, path: str) -> None:
    own = await deployment.call("GET", path, user=ROLE)
    assert (own.status, own.body["servers"]) == (200, [])
    everything = await deployment.call("GET", f"{path}?all_tenants=1", user=ROLE)
    assert [server["id"] for server in everything.body["servers"]] == [server_id]


async def test_shows(deployment: Deployment, server_id: str) -> None:
    answer = await deployment.call("GET", f"/servers/{server_id}", user=ROLE)
    assert (answer.status, answer.body["server"]["name"]) == (200, "theirs")
    assert "OS-EXT-SRV-ATTR:host" not in answer.body["server"], "another rule shows that"


async def test_reads_what_was_done(deployment: Deployment, server_id: str) -> None:
    path = f"/servers/{server_id}/os-instance-actions"
    answer = await deployment.call("GET", path, user=ROLE)
    assert [each["action"] for each in answer.body["instanceActions"]] == ["create"]
    answer = await deployment.call("GET", f"{path}/req-1", user=ROLE)
    assert answer.body["instanceAction"]["events"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/metadata", None),
    ],
)
async def test_nothing_else(
    deployment: Deployment, server_id: str, method: str, path: str, body: Any
) -> None:
    """Refused, not hidden: who may list it knows that it is there."""
    answer = await deployment.call(method, f"/servers/{server_id}{path}", body, user=ROLE)
    assert answer.status == 403


async def test_a_stranger_sees_no_trace(deployment: Deployment, server_id: str) -> None:
    for path in ("", "/os-instance-actions"):
        answer = await deployment.call("GET", f"/servers/{server_id}{path}", user="other")
        assert answer.status == 404

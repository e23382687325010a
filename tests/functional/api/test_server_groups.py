"""Server groups over HTTP: who may see which, and how each version says policies."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Answer, Deployment
from tests.functional.servers.conftest import FLAVOR

_BASE = {"id", "name", "members"}


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"quota": {"server_groups": 3}}


@pytest.fixture(autouse=True)
async def nothing_there(deployment: Deployment) -> None:
    await deployment.pool.execute("truncate server_groups")


async def create(
    deployment: Deployment, *, user: str = "demo", v: int = 104, **fields: Any
) -> Answer:
    policy = {"policy": "anti-affinity"} if v >= 64 else {"policies": ["anti-affinity"]}
    body = {"server_group": {"name": "g", **policy, **fields}}
    return await deployment.call("POST", "/os-server-groups", body, user=user, v=v)


async def listed(deployment: Deployment, query: str = "", *, user: str = "demo") -> list[str]:
    answer = await deployment.call("GET", f"/os-server-groups{query}", user=user)
    assert answer.status == 200, answer.body
    return [each["name"] for each in answer.body["server_groups"]]


@pytest.mark.parametrize(
    ("v", "fields"),
    [
        (1, _BASE | {"policies", "metadata"}),
        (12, _BASE | {"policies", "metadata"}),
        (13, _BASE | {"policies", "metadata", "project_id", "user_id"}),
        (63, _BASE | {"policies", "metadata", "project_id", "user_id"}),
        (64, _BASE | {"policy", "rules", "project_id", "user_id"}),
        (104, _BASE | {"policy", "rules", "project_id", "user_id"}),
    ],
)
async def test_life(deployment: Deployment, v: int, fields: set[str]) -> None:
    made = await create(deployment, v=v)
    assert made.status == 200
    group = made.body["server_group"]
    assert set(group) == fields
    member = await deployment.add_server("demo", None, server_group=group["id"], flavor=FLAVOR)
    await deployment.add_server("demo", None, server_group=group["id"])
    one = f"/os-server-groups/{group['id']}"
    shown = (await deployment.call("GET", one, user="reader", v=v)).body["server_group"]
    assert len(shown["members"]) == 2
    assert member in shown["members"]
    if v >= 71:
        server = (await deployment.call("GET", f"/servers/{member}", v=v)).body["server"]
        assert server["server_groups"] == [group["id"]]
    gone = await deployment.call("DELETE", one, user="demo", v=v)
    assert (gone.status, gone.body) == (204, b"")
    assert (await deployment.call("GET", one, user="demo", v=v)).status == 404
    if v >= 71:
        server = (await deployment.call("GET", f"/servers/{member}", v=v)).body["server"]
        assert server["server_groups"] == []


async def test_rules(deployment: Deployment) -> None:
    made = await create(deployment, rules={"max_server_per_host": "3"})
    assert made.body["server_group"]["rules"] == {"max_server_per_host": 3}
    plain = await create(deployment, policy="affinity", rules={})
    assert plain.body["server_group"]["rules"] == {}
    for fields in (
        {"policy": "affinity", "rules": {"max_server_per_host": 3}},
        {"rules": {"max_server_per_host": 0}},
        {"rules": {"something": 1}},
        {"policy": "no such"},
        {"policy": None},
    ):
        assert (await create(deployment, **fields)).status == 400, fields
    assert (await create(deployment, v=63, rules={})).status == 400


@pytest.mark.parametrize(
    ("policies", "v", "status"),
    [
        (["affinity"], 14, 200),
        (["soft-affinity"], 14, 400),
        (["soft-anti-affinity"], 15, 200),
        ([], 15, 400),
        (["affinity", "anti-affinity"], 15, 400),
        (["affinity", "affinity"], 15, 400),
    ],
)
async def test_policies_by_version(
    deployment: Deployment, policies: list[str], v: int, status: int
) -> None:
    assert (await create(deployment, v=v, policies=policies)).status == status


async def test_old_clients_are_told_no_soft_policies(deployment: Deployment) -> None:
    made = (await create(deployment, policy="soft-affinity")).body["server_group"]
    one = f"/os-server-groups/{made['id']}"
    for v, policies in ((14, []), (15, ["soft-affinity"])):
        shown = (await deployment.call("GET", one, v=v)).body["server_group"]
        assert shown["policies"] == policies


async def test_whose(deployment: Deployment) -> None:
    made = (await create(deployment, name="ours")).body["server_group"]
    await create(deployment, user="other", name="theirs")
    one = f"/os-server-groups/{made['id']}"
    assert (await deployment.call("GET", one, user="other")).status == 404
    assert (await deployment.call("DELETE", one, user="other")).status == 404
    assert (await deployment.call("DELETE", one, user="reader")).status == 403
    assert (await deployment.call("GET", one, user="admin")).status == 200
    assert await listed(deployment) == ["ours"]
    assert await listed(deployment, user="admin") == []
    assert await listed(deployment, "?all_projects=true", user="admin") == ["ours", "theirs"]
    everything = await deployment.call("GET", "/os-server-groups?all_projects=1", user="demo")
    assert everything.status == 403
    for unknown in (uuid4(), "x"):
        answer = await deployment.call("GET", f"/os-server-groups/{unknown}")
        assert (answer.status, answer.fault()) == (
            404,
            f"Instance group {unknown} could not be found.",
        )


async def test_pages(deployment: Deployment) -> None:
    for name in ("a", "b", "c"):
        await create(deployment, name=name)
    assert await listed(deployment, "?limit=2") == ["a", "b"]
    assert await listed(deployment, "?limit=2&offset=1") == ["b", "c"]
    assert await listed(deployment, "?offset=5") == []
    for query in ("limit=-1", "offset=x", "unknown=1"):
        answer = await deployment.call("GET", f"/os-server-groups?{query}", user="demo")
        assert answer.status == 400
    old = await deployment.call("GET", "/os-server-groups?unknown=1", user="demo", v=74)
    assert old.status == 200


async def test_quota(deployment: Deployment) -> None:
    for _ in range(3):
        assert (await create(deployment)).status == 200
    refused = await create(deployment)
    assert (refused.status, refused.fault()) == (
        403,
        "Quota exceeded, too many server groups.",
    )
    limits = (await deployment.call("GET", "/limits", user="demo")).body["limits"]["absolute"]
    assert (limits["maxServerGroups"], limits["totalServerGroupsUsed"]) == (3, 3)
    project = deployment.projects["demo"]
    detail = await deployment.call("GET", f"/os-quota-sets/{project}/detail", user="demo")
    assert detail.body["quota_set"]["server_groups"] == {"limit": 3, "in_use": 3, "reserved": 0}
    below = {"quota_set": {"server_groups": 2}}
    assert (await deployment.call("PUT", f"/os-quota-sets/{project}", below)).status == 400

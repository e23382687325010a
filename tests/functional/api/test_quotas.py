"""Quotas, quota classes and limits over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.api.conftest import Answer, Deployment


async def _put(deployment: Deployment, user: str, query: str = "", **limits: Any) -> Answer:
    path = f"/os-quota-sets/{deployment.projects[user]}{query}"
    return await deployment.call("PUT", path, {"quota_set": limits})


async def _show(deployment: Deployment, user: str, more: str = "") -> dict[str, Any]:
    path = f"/os-quota-sets/{deployment.projects[user]}{more}"
    return dict((await deployment.call("GET", path)).body["quota_set"])


async def test_defaults_changes_and_reset(deployment: Deployment) -> None:
    assert (await _show(deployment, "demo"))["instances"] == 10
    answer = await _put(deployment, "demo", instances=3, cores="-1")
    assert answer.body["quota_set"]["instances"] == 3
    assert "id" not in answer.body["quota_set"]
    shown = await _show(deployment, "demo")
    assert (shown["instances"], shown["cores"], shown["ram"]) == (3, -1, 51200)
    defaults = await _show(deployment, "demo", "/defaults")
    assert defaults["instances"] == 10
    path = f"/os-quota-sets/{deployment.projects['demo']}"
    assert (await deployment.call("DELETE", path)).status == 202
    assert (await _show(deployment, "demo"))["instances"] == 10


@pytest.mark.parametrize(
    ("v", "name", "there"),
    [
        (35, "fixed_ips", True),
        (36, "fixed_ips", False),
        (56, "injected_files", True),
        (57, "injected_files", False),
    ],
)
async def test_resources_by_version(deployment: Deployment, v: int, name: str, there: bool) -> None:
    path = f"/os-quota-sets/{deployment.projects['demo']}"
    assert (name in (await deployment.call("GET", path, v=v)).body["quota_set"]) == there
    answer = await deployment.call("PUT", path, {"quota_set": {name: 5}}, v=v)
    assert answer.status == (200 if there else 400)


async def test_usage_is_counted(deployment: Deployment) -> None:
    await deployment.add_server("other", None, vcpus=2, memory_mib=100)
    await deployment.add_server("other", None, vm_state="soft-delete")
    detail = await _show(deployment, "other", "/detail")
    assert detail["instances"] == {"limit": 10, "in_use": 1, "reserved": 0}
    assert (detail["cores"]["in_use"], detail["ram"]["in_use"]) == (2, 100)
    limits = (await deployment.call("GET", "/limits", user="other")).body["limits"]
    absolute = limits["absolute"]
    assert (absolute["totalCoresUsed"], absolute["totalRAMUsed"]) == (2, 100)
    assert (absolute["maxTotalCores"], limits["rate"]) == (20, [])

    answer = await _put(deployment, "other", cores=1)
    assert (answer.status, answer.fault()) == (
        400,
        "Quota limit 1 for cores must be greater than or equal to already used and reserved 2.",
    )
    assert (await _put(deployment, "other", cores=1, force=True)).status == 200


async def test_users_of_a_project(deployment: Deployment) -> None:
    answer = await _put(deployment, "demo", "?user_id=u1", instances=4)
    assert answer.body["quota_set"]["instances"] == 4
    assert (await _show(deployment, "demo", "?user_id=u1"))["instances"] == 4
    assert (await _show(deployment, "demo", "?user_id=u2"))["instances"] == 10
    assert (await _put(deployment, "demo", "?user_id=u1", instances=11)).status == 400
    path = f"/os-quota-sets/{deployment.projects['demo']}?user_id=u1"
    assert (await deployment.call("DELETE", path)).status == 202
    assert (await _show(deployment, "demo", "?user_id=u1"))["instances"] == 10


async def test_a_user_is_measured_by_what_the_user_has(deployment: Deployment) -> None:
    await deployment.pool.execute("delete from servers")
    for user_id, cores in (("u1", 2), ("u3", 4)):
        await deployment.add_server("demo", None, user_id=user_id, vcpus=cores)
    answer = await _put(deployment, "demo", "?user_id=u1", cores=1)
    assert "already used and reserved 2" in answer.fault()
    assert (await _put(deployment, "demo", "?user_id=u1", cores=3)).status == 200
    query = "/detail?user_id=u1"
    detail = await _show(deployment, "demo", query)
    assert detail["cores"] == {"limit": 3, "in_use": 2, "reserved": 0}
    assert (await _show(deployment, "demo", "/detail"))["cores"]["in_use"] == 6
    # A project's new limit also counts for users who were allowed more.
    assert (await _put(deployment, "demo", cores=6)).status == 200
    assert (await _put(deployment, "demo", "?user_id=u1", cores=6)).status == 200
    assert (await _put(deployment, "demo", force=True, cores=2)).status == 200
    assert (await _show(deployment, "demo", "?user_id=u1"))["cores"] == 2
    path = f"/os-quota-sets/{deployment.projects['demo']}"
    assert (await deployment.call("DELETE", path)).status == 202


async def test_limits_that_nobody_enforces_are_read_back(deployment: Deployment) -> None:
    path = f"/os-quota-sets/{deployment.projects['other']}"
    changes = {"quota_set": {"floating_ips": 7, "security_groups": "8"}}
    answer = await deployment.call("PUT", path, changes, v=1)
    assert (answer.body["quota_set"]["floating_ips"], answer.status) == (7, 200)
    shown = (await deployment.call("GET", path, v=35)).body["quota_set"]
    assert (shown["floating_ips"], shown["security_groups"], shown["fixed_ips"]) == (7, 8, -1)
    limits = await deployment.call("GET", "/limits", user="other", v=35)
    assert limits.body["limits"]["absolute"]["maxTotalFloatingIps"] == 7
    assert (await deployment.call("DELETE", path)).status == 202
    assert (await deployment.call("GET", path, v=35)).body["quota_set"]["floating_ips"] == -1


async def test_other_classes_are_kept_and_count_for_nobody(deployment: Deployment) -> None:
    path = "/os-quota-class-sets/gold"
    changes = {"quota_class_set": {"cores": 99, "fixed_ips": 3}}
    answer = await deployment.call("PUT", path, changes, v=1)
    assert (answer.body["quota_class_set"]["cores"], answer.status) == (99, 200)
    shown = (await deployment.call("GET", path, v=1)).body["quota_class_set"]
    assert (shown["id"], shown["cores"], shown["fixed_ips"]) == ("gold", 99, 3)
    assert (await _show(deployment, "admin"))["cores"] == 20


async def test_server_groups_are_counted(deployment: Deployment) -> None:
    await deployment.pool.execute(
        "insert into server_groups (uuid, project_id, user_id, name, policy)"
        " values (gen_random_uuid(), $1, 'u1', 'g', 'affinity')",
        deployment.projects["demo"],
    )
    assert (await _show(deployment, "demo", "/detail"))["server_groups"]["in_use"] == 1
    assert (await _show(deployment, "demo", "/detail?user_id=u2"))["server_groups"]["in_use"] == 0
    limits = await deployment.call("GET", "/limits", user="demo")
    assert limits.body["limits"]["absolute"]["totalServerGroupsUsed"] == 1


async def test_who_may(deployment: Deployment) -> None:
    theirs = f"/os-quota-sets/{deployment.projects['demo']}"
    for user, status in (("demo", 200), ("reader", 200), ("other", 403), ("nobody", 403)):
        assert (await deployment.call("GET", theirs, user=user)).status == status, user
    answer = await deployment.call("PUT", theirs, {"quota_set": {}}, user="demo")
    assert answer.status == 403
    query = f"/limits?tenant_id={deployment.projects['demo']}"
    assert (await deployment.call("GET", query, user="other")).status == 403
    assert (await deployment.call("GET", query, user="admin")).status == 200
    assert (await deployment.call("GET", query, user="demo")).status == 200


async def test_project_nobody_knows(deployment: Deployment) -> None:
    assert (await deployment.call("GET", f"/os-quota-sets/{'f' * 32}")).status == 400


async def test_default_class_reaches_every_project(deployment: Deployment) -> None:
    path = "/os-quota-class-sets/default"
    assert (await deployment.call("GET", path)).body["quota_class_set"]["id"] == "default"
    answer = await deployment.call("PUT", path, {"quota_class_set": {"server_groups": 3}})
    assert answer.body["quota_class_set"]["server_groups"] == 3
    assert (await _show(deployment, "admin"))["server_groups"] == 3
    other = await deployment.call("GET", "/os-quota-class-sets/other")
    assert other.body["quota_class_set"]["server_groups"] == 10
    old = (await deployment.call("GET", path, v=49)).body["quota_class_set"]
    assert "server_groups" not in old
    assert old["fixed_ips"] == -1
    changes = {"quota_class_set": {"fixed_ips": 99}}
    assert (await deployment.call("PUT", path, changes, v=49)).status == 200
    old = (await deployment.call("GET", path, v=49)).body["quota_class_set"]
    assert old["fixed_ips"] == 99


@pytest.mark.parametrize(
    ("v", "name", "there"),
    [
        (35, "totalFloatingIpsUsed", True),
        (36, "totalFloatingIpsUsed", False),
        (38, "maxImageMeta", True),
        (39, "maxImageMeta", False),
        (56, "maxPersonality", True),
        (57, "maxPersonality", False),
    ],
)
async def test_limits_by_version(deployment: Deployment, v: int, name: str, there: bool) -> None:
    answer = await deployment.call("GET", "/limits", v=v)
    assert (name in answer.body["limits"]["absolute"]) == there


async def test_extensions(deployment: Deployment) -> None:
    listed = (await deployment.call("GET", "/extensions", user="nobody")).body["extensions"]
    assert {"os-keypairs", "os-consoles"} <= {extension["alias"] for extension in listed}
    answer = await deployment.call("GET", "/extensions/os-consoles")
    assert answer.body["extension"]["alias"] == "os-consoles"
    assert (await deployment.call("GET", "/extensions/none")).status == 404

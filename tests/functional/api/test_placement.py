"""The Placement API over HTTP: the ledger as clients of that service read it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Answer, Deployment

PROVIDERS = "/resource_providers"


async def ask(
    deployment: Deployment,
    path: str,
    *,
    v: str | None = "1.39",
    user: str | None = "admin",
    method: str = "GET",
) -> Answer:
    headers = {} if v is None else {"OpenStack-API-Version": f"placement {v}"}
    return await deployment.call(
        method, path, user=user, v=None, headers=headers, root="/placement"
    )


async def read(deployment: Deployment, path: str, v: str = "1.39") -> Any:
    answer = await ask(deployment, path, v=v)
    assert answer.status == 200, answer.body
    assert answer.headers["OpenStack-API-Version"] == f"placement {v}"
    return answer.body


async def uuid_of(deployment: Deployment, host: str) -> str:
    return str(
        await deployment.pool.fetchval("select uuid from compute_nodes where host = $1", host)
    )


async def claim(deployment: Deployment, host: str, **columns: Any) -> str:
    """A server of demo with 2 vCPUs, 1024 MiB and 20 GiB of the host."""
    server = await deployment.add_server("demo", host, **columns)
    await deployment.pool.execute(
        "insert into allocations (server_uuid, host, vcpus, memory_mib, disk_gib)"
        " values ($1, $2, 2, 1024, 20)",
        server,
        host,
    )
    await deployment.pool.execute(
        "update compute_nodes set vcpus_used = vcpus_used + 2, memory_mib_used = memory_mib_used"
        " + 1024, disk_gib_used = disk_gib_used + 20 where host = $1",
        host,
    )
    return server


async def test_the_root_needs_nobody(deployment: Deployment) -> None:
    for path in ("", "/"):
        answer = await ask(deployment, path, v=None, user=None)
        (version,) = answer.body["versions"]
        assert (answer.status, version["min_version"], version["max_version"]) == (
            200,
            "1.0",
            "1.39",
        )


async def test_it_is_in_the_catalog(deployment: Deployment) -> None:
    catalog = await deployment.identity("GET", "/auth/catalog")
    (placement,) = [each for each in catalog["catalog"] if each["type"] == "placement"]
    assert {each["interface"] for each in placement["endpoints"]} == {
        "public",
        "internal",
        "admin",
    }
    assert all(each["url"].endswith("/placement") for each in placement["endpoints"])


async def test_who_may_read(deployment: Deployment) -> None:
    assert (await ask(deployment, PROVIDERS, user=None)).status == 401
    refused = await ask(deployment, PROVIDERS, user="demo")
    (error,) = refused.body["errors"]
    assert (refused.status, error["status"], error["title"]) == (403, 403, "Forbidden")
    own, other = deployment.projects["demo"], deployment.projects["other"]
    assert (await ask(deployment, f"/usages?project_id={own}", user="demo")).status == 200
    assert (await ask(deployment, f"/usages?project_id={other}", user="demo")).status == 403


@pytest.mark.parametrize(
    ("v", "status"),
    [(None, 200), ("1.0", 200), ("latest", 200), ("1.40", 406), ("2.1", 406), ("one", 400)],
)
async def test_versions(deployment: Deployment, v: str | None, status: int) -> None:
    answer = await ask(deployment, PROVIDERS, v=v)
    assert answer.status == status
    if status == 406:
        (error,) = answer.body["errors"]
        assert (error["min_version"], error["max_version"]) == ("1.0", "1.39")


async def test_nothing_can_be_changed(deployment: Deployment) -> None:
    for method, path in (
        ("POST", PROVIDERS),
        ("PUT", f"/allocations/{uuid4()}"),
        ("DELETE", "/traits/COMPUTE_NODE"),
    ):
        answer = await ask(deployment, path, method=method)
        assert (answer.status, answer.body["errors"][0]["code"]) == (
            405,
            "placement.undefined_code",
        )
    for path in (
        "/nothing",
        "/resource_providers/x/y/z",
        f"{PROVIDERS}/{uuid4()}",
        f"{PROVIDERS}/x",
    ):
        assert (await ask(deployment, path)).status == 404


async def test_a_provider(deployment: Deployment) -> None:
    await deployment.add_host("provider-1")
    server = await claim(deployment, "provider-1")
    uuid = await uuid_of(deployment, "provider-1")
    one = f"{PROVIDERS}/{uuid}"
    shown = await read(deployment, one)
    assert (shown["name"], shown["parent_provider_uuid"], shown["root_provider_uuid"]) == (
        "provider-1",
        None,
        uuid,
    )
    generation = shown["generation"]
    inventories = await read(deployment, f"{one}/inventories")
    assert inventories["resource_provider_generation"] == generation
    assert inventories["inventories"]["MEMORY_MB"] == {
        "total": 16384,
        "reserved": 512,
        "min_unit": 1,
        "max_unit": 16384,
        "step_size": 1,
        "allocation_ratio": 1.0,
    }
    vcpus = await read(deployment, f"{one}/inventories/VCPU")
    assert (vcpus["total"], vcpus["allocation_ratio"]) == (8, 4.0)
    assert (await ask(deployment, f"{one}/inventories/PCPU")).status == 404
    used = {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 20}
    assert (await read(deployment, f"{one}/usages"))["usages"] == used
    assert (await read(deployment, f"{one}/traits"))["traits"] == ["COMPUTE_NODE", "HW_ARCH_X86_64"]
    assert (await read(deployment, f"{one}/allocations"))["allocations"] == {
        server: {"resources": used}
    }
    assert (await read(deployment, f"/allocations/{server}", "1.0"))["allocations"] == {
        uuid: {"generation": generation, "resources": used}
    }
    assert set(await read(deployment, f"/allocations/{server}")) == {
        "allocations", "project_id", "user_id", "consumer_generation", "consumer_type",
    }  # fmt: skip
    assert await read(deployment, f"/allocations/{uuid4()}") == {"allocations": {}}


@pytest.mark.parametrize(
    ("v", "links", "nested"),
    [
        ("1.0", {"self", "inventories", "usages"}, False),
        ("1.6", {"self", "inventories", "usages", "aggregates", "traits"}, False),
        ("1.14", {"self", "inventories", "usages", "aggregates", "traits", "allocations"}, True),
    ],
)
async def test_a_provider_by_version(
    deployment: Deployment, v: str, links: set[str], nested: bool
) -> None:
    await deployment.add_host(f"links-{v}")
    (shown,) = (await read(deployment, f"{PROVIDERS}?name=links-{v}", v))["resource_providers"]
    assert {each["rel"] for each in shown["links"]} == links
    assert ("root_provider_uuid" in shown) is nested


async def test_the_generation_changes_with_what_is_told(deployment: Deployment) -> None:
    await deployment.add_host("generation-1")
    one = f"{PROVIDERS}/{await uuid_of(deployment, 'generation-1')}"
    before = (await read(deployment, one))["generation"]
    assert (await read(deployment, one))["generation"] == before
    await claim(deployment, "generation-1")
    assert (await read(deployment, one))["generation"] != before


async def test_providers_are_found(deployment: Deployment) -> None:
    for host in ("found-1", "found-2"):
        await deployment.add_host(host)
    body = {"aggregate": {"name": "found"}}
    aggregate = (await deployment.call("POST", "/os-aggregates", body)).body["aggregate"]
    path = f"/os-aggregates/{aggregate['id']}/action"
    await deployment.call("POST", path, {"add_host": {"host": "found-1"}})
    await deployment.pool.execute("update services set disabled = true where host = 'found-2'")
    uuids = [await uuid_of(deployment, host) for host in ("found-1", "found-2")]
    inside = await read(deployment, f"{PROVIDERS}/{uuids[0]}/aggregates")
    assert inside["aggregates"] == [aggregate["uuid"]]

    async def found(query: str) -> list[str]:
        body = await read(deployment, f"{PROVIDERS}?{query}")
        names = [each["name"] for each in body["resource_providers"]]
        return [name for name in names if name.startswith("found-")]

    both = ["found-1", "found-2"]
    assert await found("") == both
    assert await found(f"uuid={uuids[1]}") == await found(f"in_tree={uuids[1]}") == ["found-2"]
    assert await found(f"member_of={aggregate['uuid']}") == ["found-1"]
    assert await found(f"member_of=in:{aggregate['uuid']},{uuid4()}") == ["found-1"]
    assert await found(f"member_of=!{aggregate['uuid']}") == ["found-2"]
    assert await found("required=COMPUTE_STATUS_DISABLED") == ["found-2"]
    assert await found("required=COMPUTE_NODE,!COMPUTE_STATUS_DISABLED") == ["found-1"]
    assert await found("required=in:COMPUTE_STATUS_DISABLED,HW_ARCH_X86_64") == both
    assert await found("resources=VCPU:8,DISK_GB:100") == both
    assert await found("resources=VCPU:9") == []
    for query in (
        "resources=VCPU",
        "resources=CUSTOM:1",
        "required=NO_SUCH",
        "member_of=x",
        "unknown=1",
    ):
        assert (await ask(deployment, f"{PROVIDERS}?{query}")).status == 400, query


async def test_usages(deployment: Deployment) -> None:
    await deployment.add_host("usages-1")
    user = str(uuid4())
    await claim(deployment, "usages-1", user_id=user)
    path = f"/usages?project_id={deployment.projects['demo']}&user_id={user}"
    used = {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 20}
    assert (await read(deployment, path, "1.9"))["usages"] == used
    assert (await read(deployment, path))["usages"] == {"INSTANCE": {"consumer_count": 1, **used}}
    assert (await read(deployment, f"{path}&consumer_type=OTHER"))["usages"] == {}
    assert (await ask(deployment, "/usages")).status == 400
    assert (await ask(deployment, path, v="1.8")).status == 404


async def test_candidates(deployment: Deployment) -> None:
    await deployment.add_host("candidate-1")
    await claim(deployment, "candidate-1")
    uuid = await uuid_of(deployment, "candidate-1")
    query = f"/allocation_candidates?resources=VCPU:1,MEMORY_MB:512&in_tree={uuid}"
    asked = {"VCPU": 1, "MEMORY_MB": 512}
    new = await read(deployment, query)
    assert new["allocation_requests"] == [
        {"allocations": {uuid: {"resources": asked}}, "mappings": {"": [uuid]}}
    ]
    summary = new["provider_summaries"][uuid]
    assert summary["resources"]["VCPU"] == {"capacity": 32, "used": 2}
    assert set(summary["resources"]) == {"VCPU", "MEMORY_MB", "DISK_GB"}
    old = await read(deployment, query.partition("&")[0], "1.10")
    assert {"allocations": [{"resource_provider": {"uuid": uuid}, "resources": asked}]} in old[
        "allocation_requests"
    ]
    assert set(old["provider_summaries"][uuid]) == {"resources"}
    assert set(old["provider_summaries"][uuid]["resources"]) == set(asked)
    full = f"/allocation_candidates?resources=MEMORY_MB:15000&in_tree={uuid}"
    assert (await read(deployment, full))["allocation_requests"] == []
    limited = await read(deployment, "/allocation_candidates?resources=VCPU:1&limit=1")
    assert len(limited["allocation_requests"]) == 1
    for bad in ("", "?resources=VCPU:1&limit=0", "?resources=VCPU:1&resourcesé=VCPU:1"):
        assert (await ask(deployment, f"/allocation_candidates{bad}")).status == 400


async def test_groups_of_resources_come_from_one_host_or_none(deployment: Deployment) -> None:
    await deployment.add_host("grouped-1")
    uuid = await uuid_of(deployment, "grouped-1")
    here = f"/allocation_candidates?resources=VCPU:1&in_tree={uuid}"
    groups = f"{here}&resources1=VCPU:2&required1=COMPUTE_NODE&resources_b=DISK_GB:1"
    for more in ("", "&same_subtree=1,_b", "&root_required=COMPUTE_NODE,!COMPUTE_STATUS_DISABLED"):
        (found,) = (await read(deployment, f"{groups}&group_policy=none{more}"))[
            "allocation_requests"
        ]
        assert found["allocations"] == {uuid: {"resources": {"VCPU": 3, "DISK_GB": 1}}}
        assert found["mappings"] == {"": [uuid], "1": [uuid], "_b": [uuid]}
    one = f"{here}&resources1=VCPU:2"
    assert len((await read(deployment, f"{one}&group_policy=isolate"))["allocation_requests"]) == 1
    for nothing in (
        f"{groups}&group_policy=isolate",
        f"{one}&required1=!COMPUTE_NODE",
        f"{one}&root_required=!COMPUTE_NODE",
        f"{here}&resources1=MEMORY_MB:16000&resources2=MEMORY_MB:16000&group_policy=none",
    ):
        assert (await read(deployment, nothing))["allocation_requests"] == [], nothing
    for bad in (
        groups,
        f"{groups}&group_policy=some",
        f"{here}&required1=COMPUTE_NODE",
        f"{one}&same_subtree=2",
    ):
        assert (await ask(deployment, bad)).status == 400, bad


async def test_classes_and_traits(deployment: Deployment) -> None:
    classes = (await read(deployment, "/resource_classes"))["resource_classes"]
    assert [each["name"] for each in classes] == ["VCPU", "MEMORY_MB", "DISK_GB"]
    assert (await read(deployment, "/resource_classes/VCPU"))["name"] == "VCPU"
    assert (await ask(deployment, "/resource_classes/CUSTOM_X")).status == 404
    everything = (await read(deployment, "/traits"))["traits"]
    assert "COMPUTE_STATUS_DISABLED" in everything
    some = (await read(deployment, "/traits?name=startswith:HW_"))["traits"]
    assert some == [each for each in everything if each.startswith("HW_")]
    one = (await read(deployment, "/traits?name=in:COMPUTE_NODE,OTHER"))["traits"]
    assert one == ["COMPUTE_NODE"]
    await deployment.add_host("traits-1")
    had = (await read(deployment, "/traits?associated=true"))["traits"]
    rest = (await read(deployment, "/traits?associated=false"))["traits"]
    assert "COMPUTE_NODE" in had
    assert sorted(had + rest) == sorted(everything)
    there = await ask(deployment, "/traits/COMPUTE_NODE")
    assert (there.status, there.body) == (204, b"")
    assert (await ask(deployment, "/traits/OTHER")).status == 404
    for query in ("name=x", "associated=perhaps", "other=1"):
        assert (await ask(deployment, f"/traits?{query}")).status == 400


@pytest.mark.parametrize(
    "query", ["resources=VCPU:{}", "resources=VCPU:1&limit={}", "resources=VCPU:0"]
)
async def test_endless_numbers_are_refused(deployment: Deployment, query: str) -> None:
    answer = await ask(deployment, f"/allocation_candidates?{query.format('9' * 4301)}")
    assert answer.status == 400


async def test_endless_versions_are_refused(deployment: Deployment) -> None:
    answer = await ask(deployment, PROVIDERS, v=f"1.{'9' * 4301}")
    assert answer.status == 406


@pytest.mark.parametrize(
    ("path", "since"),
    [
        ("/resource_providers?member_of={uuid}", 3),
        ("/resource_providers?resources=VCPU:1", 4),
        ("/resource_providers?in_tree={uuid}", 14),
        ("/resource_providers?required=COMPUTE_NODE", 18),
        ("/resource_providers?required=!COMPUTE_NODE", 22),
        ("/resource_providers?member_of=!{uuid}", 32),
        ("/resource_providers?required=in:COMPUTE_NODE", 39),
        ("/allocation_candidates?resources=VCPU:1&limit=1", 16),
        ("/allocation_candidates?resources=VCPU:1&required=COMPUTE_NODE", 17),
        ("/allocation_candidates?resources=VCPU:1&member_of={uuid}", 21),
        ("/allocation_candidates?resources=VCPU:1&group_policy=none", 25),
        ("/allocation_candidates?resources1=VCPU:1", 25),
        ("/allocation_candidates?resources=VCPU:1&in_tree={uuid}", 31),
        ("/allocation_candidates?resources1=VCPU:1&in_tree1={uuid}", 31),
        ("/allocation_candidates?resources_net=VCPU:1", 33),
        ("/allocation_candidates?resources=VCPU:1&root_required=COMPUTE_NODE", 35),
        ("/allocation_candidates?resources1=VCPU:1&same_subtree=1", 36),
        ("/usages?project_id=p&consumer_type=all", 38),
    ],
)
async def test_parameters_by_version(deployment: Deployment, path: str, since: int) -> None:
    path = path.format(uuid=uuid4())
    assert (await ask(deployment, path, v=f"1.{since - 1}")).status == 400
    assert (await ask(deployment, path, v=f"1.{since}")).status == 200

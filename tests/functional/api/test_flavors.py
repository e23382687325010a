"""Flavors over HTTP: what every version shows, who sees which, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.api.conftest import Answer, Deployment


async def _create(deployment: Deployment, name: str, v: int = 104, **fields: Any) -> Answer:
    body = {"flavor": {"name": name, "ram": 64, "vcpus": 1, "disk": 0, **fields}}
    return await deployment.call("POST", "/flavors", body, v=v)


async def test_seeded_flavors_in_order(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/flavors", user="demo", v=1)
    seeded = [flavor for flavor in answer.body["flavors"] if flavor["name"].startswith("m1.")]
    assert [flavor["id"] for flavor in seeded] == ["1", "2", "3", "4", "5"]
    assert set(seeded[0]) == {"id", "name", "links"}


@pytest.mark.parametrize(
    ("v", "present", "absent"),
    [
        (1, {"rxtx_factor", "OS-FLV-DISABLED:disabled"}, {"description", "extra_specs"}),
        (55, {"rxtx_factor", "description"}, {"extra_specs"}),
        (61, {"rxtx_factor", "description", "extra_specs"}, set()),
        (102, {"description", "extra_specs"}, {"rxtx_factor", "OS-FLV-DISABLED:disabled"}),
    ],
)
async def test_fields_by_version(
    deployment: Deployment, v: int, present: set[str], absent: set[str]
) -> None:
    for path in ("/flavors/1", "/flavors/detail"):
        body = (await deployment.call("GET", path, v=v)).body
        shown = set(body["flavor"] if path == "/flavors/1" else body["flavors"][0])
        assert present <= shown
        assert not absent & shown


async def test_no_swap_is_empty_text_until_2_75(deployment: Deployment) -> None:
    assert (await deployment.call("GET", "/flavors/1", v=74)).body["flavor"]["swap"] == ""
    assert (await deployment.call("GET", "/flavors/1", v=75)).body["flavor"]["swap"] == 0


async def test_numbers_may_be_texts(deployment: Deployment) -> None:
    answer = await _create(deployment, "texts", v=1, id="texts", ram="512", swap="7")
    flavor = answer.body["flavor"]
    assert (flavor["ram"], flavor["swap"], flavor["id"]) == (512, 7, "texts")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"ram": 0},
            "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1",
        ),
        (
            {"ram": "0"},
            "Invalid input for field/attribute ram. Value: 0. '0' is less than the minimum of 1",
        ),
        (
            {"vcpus": "2147483648"},
            (
                "Invalid input for field/attribute vcpus. Value: 2147483648. "
                "'2147483648' is greater than the maximum of 2147483647"
            ),
        ),
        (
            {"extra": 1},
            (
                "Invalid input for field/attribute flavor. Value: {'name': 'bad', 'ram': 64, "
                "'vcpus': 1, 'disk': 0, 'extra': 1}. Additional properties are not allowed "
                "('extra' was unexpected)"
            ),
        ),
        (
            {"name": " bad"},
            "Invalid input for field/attribute name. Value:  bad. ' bad' is not a 'name'",
        ),
    ],
)
async def test_what_is_refused_and_how(
    deployment: Deployment, fields: dict[str, Any], message: str
) -> None:
    answer = await _create(deployment, **{"name": "bad", **fields})
    assert (answer.status, answer.fault()) == (400, message)


async def test_missing_key(deployment: Deployment) -> None:
    answer = await deployment.call("POST", "/flavors", {})
    assert (answer.status, answer.fault()) == (400, "'flavor' is a required property")


async def test_taken_names_and_ids(deployment: Deployment) -> None:
    assert (await _create(deployment, "twice", id="t1")).status == 200
    answer = await _create(deployment, "twice", id="t2")
    assert (answer.status, answer.fault()) == (409, "Flavor with name twice already exists.")
    answer = await _create(deployment, "thrice", id="t1")
    assert (answer.status, answer.fault()) == (409, "Flavor with ID t1 already exists.")


async def test_description_and_delete(deployment: Deployment) -> None:
    await _create(deployment, "described", id="d1")
    body = {"flavor": {"description": "for tests"}}
    assert (await deployment.call("PUT", "/flavors/d1", body, v=54)).status == 404
    answer = await deployment.call("PUT", "/flavors/d1", body)
    assert answer.body["flavor"]["description"] == "for tests"
    assert (await deployment.call("DELETE", "/flavors/d1")).status == 202
    answer = await deployment.call("GET", "/flavors/d1")
    assert (answer.status, answer.fault()) == (404, "Flavor d1 could not be found.")
    assert (await deployment.call("DELETE", "/flavors/d1")).status == 404


async def test_private_flavor_is_seen_with_access_only(deployment: Deployment) -> None:
    await _create(deployment, "secret", id="secret", **{"os-flavor-access:is_public": False})
    tenant = deployment.projects["demo"]

    async def names(user: str, query: str = "") -> set[str]:
        answer = await deployment.call("GET", f"/flavors{query}", user=user)
        return {flavor["name"] for flavor in answer.body["flavors"]}

    assert "secret" not in await names("demo")
    assert "secret" not in await names("demo", "?is_public=none")
    assert (await deployment.call("GET", "/flavors/secret", user="demo")).status == 404
    assert "secret" not in await names("admin")
    assert "secret" in await names("admin", "?is_public=None")
    assert await names("admin", "?is_public=false") == {"secret"}

    grant = {"addTenantAccess": {"tenant": tenant}}
    answer = await deployment.call("POST", "/flavors/secret/action", grant)
    expected = [{"flavor_id": "secret", "tenant_id": tenant}]
    assert (answer.status, answer.body) == (200, {"flavor_access": expected})
    assert (await deployment.call("POST", "/flavors/secret/action", grant)).status == 409
    assert "secret" in await names("demo")
    assert (await deployment.call("GET", "/flavors/secret", user="demo")).status == 200
    answer = await deployment.call("GET", "/flavors/secret/os-flavor-access")
    assert answer.body == {"flavor_access": expected}

    revoke = {"removeTenantAccess": {"tenant": tenant}}
    answer = await deployment.call("POST", "/flavors/secret/action", revoke)
    assert (answer.status, answer.body) == (200, {"flavor_access": []})
    assert (await deployment.call("POST", "/flavors/secret/action", revoke)).status == 404
    assert (await deployment.call("GET", "/flavors/secret", user="demo")).status == 404


async def test_access_to_public_flavors(deployment: Deployment) -> None:
    assert (await deployment.call("GET", "/flavors/1/os-flavor-access")).status == 404
    grant = {"addTenantAccess": {"tenant": deployment.projects["demo"]}}
    assert (await deployment.call("POST", "/flavors/1/action", grant, v=7)).status == 409
    assert (await deployment.call("POST", "/flavors/1/action", grant, v=6)).status == 200


async def test_access_for_a_project_nobody_knows(deployment: Deployment) -> None:
    grant = {"addTenantAccess": {"tenant": "f" * 32}}
    answer = await deployment.call("POST", "/flavors/1/action", grant)
    assert (answer.status, answer.fault()) == (
        400,
        f"Project ID {'f' * 32} is not a valid project.",
    )


async def test_filters(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/flavors?minRam=8192&minDisk=100")
    assert [flavor["name"] for flavor in answer.body["flavors"]] == ["m1.xlarge"]
    answer = await deployment.call("GET", "/flavors?name=%5Em1.*l$")
    assert [flavor["name"] for flavor in answer.body["flavors"]] == ["m1.small"]
    assert (await deployment.call("GET", "/flavors?name=(")).status == 400
    assert (await deployment.call("GET", "/flavors?name=m1", v=101)).status == 400
    for bad in ("minRam=x", "minDisk=-1", "is_public=maybe", "limit=-1", "sort_key=shoe"):
        assert (await deployment.call("GET", f"/flavors?{bad}", v=1)).status == 400, bad


async def test_paging(deployment: Deployment) -> None:
    query = "?name=%5Em1&limit=2&sort_key=memory_mb&sort_dir=desc"
    answer = await deployment.call("GET", f"/flavors/detail{query}")
    assert [flavor["id"] for flavor in answer.body["flavors"]] == ["5", "4"]
    (link,) = answer.body["flavors_links"]
    assert link["rel"] == "next"
    path = link["href"].removeprefix(f"{deployment.base_url}/v2.1")
    assert path.startswith("/flavors/detail?limit=2&marker=4&name=")
    answer = await deployment.call("GET", path)
    assert [flavor["id"] for flavor in answer.body["flavors"]] == ["3", "2"]
    answer = await deployment.call("GET", "/flavors?name=%5Em1&limit=9")
    assert "flavors_links" not in answer.body
    answer = await deployment.call("GET", "/flavors?limit=0")
    assert answer.body == {"flavors": []}
    answer = await deployment.call("GET", "/flavors?marker=none-such")
    assert (answer.status, answer.fault()) == (400, "marker [none-such] not found")


async def test_extra_specs(deployment: Deployment) -> None:
    await _create(deployment, "special", id="special")
    path = "/flavors/special/os-extra_specs"
    specs = {"extra_specs": {"hw:cpu_policy": "shared", "hw:numa_nodes": 1}}
    answer = await deployment.call("POST", path, specs)
    assert (answer.status, answer.body) == (200, specs)
    texts = {"hw:cpu_policy": "shared", "hw:numa_nodes": "1"}
    assert (await deployment.call("GET", path, user="demo")).body == {"extra_specs": texts}
    flavor = (await deployment.call("GET", "/flavors/special", user="demo")).body["flavor"]
    assert flavor["extra_specs"] == texts

    one = f"{path}/hw:numa_nodes"
    assert (await deployment.call("PUT", one, {"hw:numa_nodes": "2"})).status == 200
    assert (await deployment.call("GET", one)).body == {"hw:numa_nodes": "2"}
    answer = await deployment.call("PUT", one, {"hw:cpu_policy": "shared"})
    assert (answer.status, answer.fault()) == (400, "Request body and URI mismatch")
    assert (await deployment.call("DELETE", one)).status == 200
    answer = await deployment.call("DELETE", one)
    assert (answer.status, answer.fault()) == (
        404,
        "Flavor special has no extra specs with key hw:numa_nodes.",
    )
    assert (await deployment.call("GET", one)).status == 404
    answer = await deployment.call("POST", "/flavors/none/os-extra_specs", specs)
    assert (answer.status, answer.fault()) == (404, "Flavor none could not be found.")


async def test_extra_specs_are_checked_from_2_86(deployment: Deployment) -> None:
    await _create(deployment, "checked", id="checked")
    path = "/flavors/checked/os-extra_specs"
    for key, value in (
        ("hw:no_such", "1"),
        ("hw:cpu_policy", "sometimes"),
        ("quota:cpu_limit", -1),
    ):
        body = {"extra_specs": {key: value}}
        assert (await deployment.call("POST", path, body, v=85)).status == 200, key
        assert (await deployment.call("POST", path, body, v=86)).status == 400, key
        one = await deployment.call("PUT", f"{path}/{key}", {key: value}, v=86)
        assert one.status == 400, key
    own = {"extra_specs": {"mine:anything": "goes", "bare": "too"}}
    assert (await deployment.call("POST", path, own)).status == 200

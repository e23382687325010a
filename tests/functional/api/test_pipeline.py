"""What happens to every request before an operation sees it."""

from __future__ import annotations

import re

import pytest

from common.telemetry.health import metrics_text
from tests.functional.api.conftest import Deployment

_REQUEST_ID = re.compile(r"req-[0-9a-f-]{36}")


async def test_versions_need_no_token(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/", user=None, v=None, root="")
    assert answer.status == 200
    assert [version["id"] for version in answer.body["versions"]] == ["v2.0", "v2.1"]
    assert answer.body["versions"][1]["version"] == "2.104"
    assert "x-openstack-request-id" not in answer.headers


@pytest.mark.parametrize(
    ("root", "version"), [("/v2.1", "v2.1"), ("/v2.1/", "v2.1"), ("/v2", "v2.0")]
)
async def test_version_document(deployment: Deployment, root: str, version: str) -> None:
    answer = await deployment.call("GET", "", user=None, v=None, root=root)
    assert answer.status == 200
    document = answer.body["version"]
    assert document["id"] == version
    assert document["links"][0]["href"].startswith(deployment.base_url)
    assert ("OpenStack-API-Version" in answer.headers) == (version == "v2.1")


async def test_unknown_first_segment_offers_choices(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/servers", user=None, root="")
    assert answer.status == 300
    assert len(answer.body["choices"]) == 2


@pytest.mark.parametrize("token", [None, "", "wrong", "schlüssel"])
async def test_without_good_token_401(deployment: Deployment, token: str | None) -> None:
    headers = {} if token is None else {"X-Auth-Token": token}
    answer = await deployment.call("GET", "/flavors", user=None, headers=headers)
    assert answer.status == 401
    assert answer.body["error"]["title"] == "Unauthorized"
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{deployment.identity_url}"'
    assert "OpenStack-API-Version" not in answer.headers
    assert _REQUEST_ID.fullmatch(answer.headers["x-openstack-request-id"])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("DELETE", "/flavors"), ("GET", "/flavors/"), ("GET", "/flavors.json")],
)
async def test_unknown_path_or_method_404_page(
    deployment: Deployment, method: str, path: str
) -> None:
    answer = await deployment.call(method, path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "OpenStack-API-Version" not in answer.headers


async def test_unknown_path_as_json(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/nothing", headers={"Accept": "application/json"})
    assert (answer.status, answer.body["code"]) == (404, "404 Not Found")


async def test_version_headers_are_echoed(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/flavors", v=61)
    assert answer.headers["OpenStack-API-Version"] == "compute 2.61"
    assert answer.headers["X-OpenStack-Nova-API-Version"] == "2.61"
    assert answer.headers.getall("Vary") == [
        "OpenStack-API-Version",
        "X-OpenStack-Nova-API-Version",
    ]
    assert answer.headers["Content-Type"] == "application/json"
    request_id = answer.headers["x-openstack-request-id"]
    assert _REQUEST_ID.fullmatch(request_id)
    assert answer.headers["x-compute-request-id"] == request_id


@pytest.mark.parametrize(
    ("text", "status", "shown"),
    [
        ("compute 2.300", 406, "compute 2.300"),
        ("compute 3.0", 406, "compute 3.0"),
        (f"compute 2.{'9' * 4301}", 406, f"compute 2.{'9' * 4301}"),
        (f"compute {'9' * 4301}.1", 406, f"compute {'9' * 4301}.1"),
        ("compute 2.01", 400, None),
        ("compute two", 400, None),
        ("compute latest", 200, "compute 2.104"),
        ("volume 3.7, compute 2.5", 200, "compute 2.5"),
        ("volume 3.7", 200, "compute 2.1"),
        ("2.5", 200, "compute 2.1"),
    ],
)
async def test_version_negotiation(
    deployment: Deployment, text: str, status: int, shown: str | None
) -> None:
    headers = {"OpenStack-API-Version": text}
    answer = await deployment.call("GET", "/flavors", v=None, headers=headers)
    assert answer.status == status
    assert answer.headers.get("OpenStack-API-Version") == shown


async def test_older_version_header(deployment: Deployment) -> None:
    headers = {"X-OpenStack-Nova-API-Version": "2.7"}
    answer = await deployment.call("GET", "/flavors", v=None, headers=headers)
    assert answer.headers["OpenStack-API-Version"] == "compute 2.7"


async def test_content_type(deployment: Deployment) -> None:
    headers = {"Content-Type": "application/xml"}
    answer = await deployment.call("POST", "/flavors", headers=headers, data=b"{}")
    assert (answer.status, answer.fault()) == (415, "Unsupported Content-Type")
    assert "badMediaType" in answer.body


async def test_body_over_the_limit(deployment: Deployment) -> None:
    answer = await deployment.call("POST", "/flavors", data=b"x" * 114_689)
    assert answer.status == 413
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("/flavors", b"{", "Malformed request body"),
        ("/flavors", b"", "None is not of type 'object'"),
        ("/flavors", b"[]", "[] is not of type 'object'"),
        ("/flavors/1/action", b"", "Malformed request body"),
        ("/flavors/1/action", b"{}", "Malformed request body"),
        ("/flavors/1/action", b'{"a": 1, "b": 2}', "Malformed request body"),
        ("/flavors/1/action", b'{"fly": null}', "There is no such action: fly"),
    ],
)
async def test_malformed_bodies(
    deployment: Deployment, path: str, data: bytes, message: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await deployment.call("POST", path, data=data, headers=headers)
    assert (answer.status, answer.fault()) == (400, message)


async def test_project_in_the_url(deployment: Deployment) -> None:
    mine, theirs = deployment.projects["admin"], deployment.projects["demo"]
    answer = await deployment.call("GET", f"/{mine}/flavors/1")
    assert answer.body["flavor"]["links"] == [
        {"rel": "self", "href": f"{deployment.base_url}/v2.1/{mine}/flavors/1"},
        {"rel": "bookmark", "href": f"{deployment.base_url}/{mine}/flavors/1"},
    ]
    answer = await deployment.call("GET", f"/{theirs}/flavors/1")
    assert answer.status == 400
    assert answer.fault() == (
        f"Malformed request URL: URL's project_id '{theirs}' "
        f"doesn't match Context's project_id '{mine}'"
    )


async def test_links_follow_the_host_header(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/flavors/1", headers={"Host": "cloud.example:80"})
    assert answer.body["flavor"]["links"][0]["href"] == "http://cloud.example:80/v2.1/flavors/1"


async def test_links_do_not_follow_what_anybody_may_say(deployment: Deployment) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    answer = await deployment.call("GET", "/flavors/1", headers=headers)
    assert answer.body["flavor"]["links"][0]["href"].startswith(deployment.base_url)


async def test_doubled_slashes_collapse(deployment: Deployment) -> None:
    assert (await deployment.call("GET", "//flavors//1")).status == 200


async def test_operation_outside_its_versions(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-hypervisors/statistics", v=88)
    assert answer.status == 404
    assert "itemNotFound" in answer.body
    assert answer.headers["OpenStack-API-Version"] == "compute 2.88"


async def test_unknown_parameters_are_refused_from_2_102(deployment: Deployment) -> None:
    assert (await deployment.call("GET", "/flavors/1?x=1", v=101)).status == 200
    answer = await deployment.call("GET", "/flavors/1?x=1", v=102)
    assert answer.status == 400
    assert answer.fault() == "Additional properties are not allowed ('x' was unexpected)"


async def test_v2_drops_what_it_does_not_know(deployment: Deployment) -> None:
    body = {"flavor": {"name": " v2 ", "ram": 1, "vcpus": 1, "disk": 0, "extra": 1}, "more": 2}
    assert (await deployment.call("POST", "/flavors", body, v=1)).status == 400
    answer = await deployment.call("POST", "/flavors", body, root="/v2")
    assert answer.status == 200
    assert answer.body["flavor"]["name"] == "v2"
    assert "OpenStack-API-Version" not in answer.headers
    assert answer.body["flavor"]["links"][0]["href"].startswith(f"{deployment.base_url}/v2/")


@pytest.mark.parametrize("path", ["/flavors/%00", "/os-services?host=a%00", "/flavors?name=%00"])
async def test_nul_characters(deployment: Deployment, path: str) -> None:
    assert (await deployment.call("GET", path)).status == 400


async def test_connections_cut_by_the_database(deployment: Deployment) -> None:
    """As when it restarts: the caller is told to try again, and the next try succeeds."""
    async with deployment.pool.acquire() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    answers = [await deployment.call("GET", "/flavors") for _ in range(3)]
    assert {answer.status for answer in answers} <= {200, 503}
    assert answers[-1].status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_users_see_neither_health_nor_metrics(deployment: Deployment, path: str) -> None:
    answer = await deployment.call("GET", path, user=None, root="")
    assert (answer.status, set(answer.body)) == (300, {"choices"})


async def test_requests_are_counted(deployment: Deployment) -> None:
    await deployment.call("GET", "/flavors")
    counted = b'muster_api_requests_total{operation="GET /flavors",status="200"}'
    assert counted in metrics_text()

"""Identity: logging in, checking, managing; as the unmodified clients do it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.functional.standins.conftest import Cloud, password_login

TOKENS = "/identity/v3/auth/tokens"


async def test_discovery_names_the_address_by_which_it_was_reached(cloud: Cloud) -> None:
    for path in ("/identity", "/identity/"):
        answer = await cloud.call("GET", path, user=None, headers={"Host": "cloud.example:5000"})
        version = answer.want(300)["versions"]["values"][0]
        assert version["links"][0]["href"] == "http://cloud.example:5000/identity/v3/"
    for path in ("/identity/v3", "/identity/v3/"):
        version = (await cloud.call("GET", path, user=None)).want(200)["version"]
        assert (version["id"], version["status"]) == ("v3.14", "stable")


async def test_login_shows_roles_with_implied_ones_and_a_whole_catalog(cloud: Cloud) -> None:
    body = password_login("admin", "admin", {"name": "admin"})
    answer = await cloud.call("POST", TOKENS, body, user=None)
    token = answer.want(201)["token"]
    assert [r["name"] for r in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert token["project"]["name"] == "admin"
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert len(token["project"]["id"]) == 32
    dt.datetime.strptime(token["expires_at"], "%Y-%m-%dT%H:%M:%S.%fZ")
    public = {
        entry["type"]: endpoint["url"]
        for entry in token["catalog"]
        for endpoint in entry["endpoints"]
        if endpoint["interface"] == "public" and endpoint["region"] == "RegionOne"
    }
    assert public == {
        "compute": "http://127.0.0.1:8774/v2.1",
        "placement": "http://127.0.0.1:8774/placement",
        "identity": f"{cloud.url}/identity",
        "image": f"{cloud.url}/image",
        "network": f"{cloud.url}/network",
        "block-storage": f"{cloud.url}/volume/v3",
        "volumev3": f"{cloud.url}/volume/v3/{token['project']['id']}",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (password_login("admin", "wrong", {"name": "admin"}), 401),
        (password_login("nobody", "admin", {"name": "admin"}), 401),
        (password_login("admin", "admin", {"name": "nowhere"}), 401),
        (password_login("demo", "demo", {"name": "admin"}), 401),
        (password_login("demo", "demo", None), 201),
        ({"auth": {"identity": {"methods": ["password"]}}}, 400),
        ({"auth": {"identity": {"methods": ["magic"]}}}, 400),
        ({"auth": "please"}, 400),
    ],
)
async def test_logins_that_fail_do_not_tell_which_name_exists(
    cloud: Cloud, body: dict[str, Any], status: int
) -> None:
    answer = await cloud.call("POST", TOKENS, body, user=None)
    if status == 201:
        assert "catalog" not in answer.want(201)["token"]
        return
    error = answer.want(status)["error"]
    assert error["code"] == status
    assert error["message"]
    if status == 401:
        assert error["message"] == "The request you have made requires authentication."


async def test_token_scopes(cloud: Cloud) -> None:
    await cloud.login("admin")
    scopes: list[tuple[Any, str]] = [
        ({"system": {"all": True}}, "system"),
        ({"project": {"id": (await _project(cloud, "demo"))}, "domain": {"id": "x"}}, "project"),
    ]
    for scope, key in scopes:
        body = password_login("admin", "admin", None)
        body["auth"]["scope"] = scope
        token = (await cloud.call("POST", TOKENS, body, user=None)).want(201)["token"]
        assert key in token
        assert token["catalog"]
    body = password_login("admin", "admin", None)
    body["auth"]["scope"] = {"domain": {"id": "default"}}
    (await cloud.call("POST", TOKENS, body, user=None)).want(401)
    admin = (await cloud.call("GET", "/identity/v3/roles?name=admin")).want(200)["roles"][0]["id"]
    user = (await cloud.call("GET", "/identity/v3/users?name=admin")).want(200)["users"][0]["id"]
    grant = f"/identity/v3/domains/default/users/{user}/roles/{admin}"
    (await cloud.call("PUT", grant)).want(204)
    token = (await cloud.call("POST", TOKENS, body, user=None)).want(201)["token"]
    assert token["domain"] == {"id": "default", "name": "Default"}


async def _project(cloud: Cloud, name: str) -> str:
    path = f"/identity/v3/projects?name={name}"
    return str((await cloud.call("GET", path)).want(200)["projects"][0]["id"])


async def test_rescoping_by_token_does_not_prolong(cloud: Cloud) -> None:
    first = await cloud.call(
        "POST", TOKENS, password_login("admin", "admin", {"name": "admin"}), user=None
    )
    project = {"name": "demo", "domain": {"name": "Default"}}
    identity = {"methods": ["token"], "token": {"id": first.headers["X-Subject-Token"]}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    second = (await cloud.call("POST", TOKENS, body, user=None)).want(201)["token"]
    assert second["expires_at"] == first.body["token"]["expires_at"]
    assert second["project"]["name"] == "demo"
    assert second["methods"] == ["token", "password"]


async def test_checking_and_revoking_tokens(cloud: Cloud) -> None:
    demo = await cloud.login("demo")
    asked = {"X-Subject-Token": demo}
    answer = await cloud.call("GET", TOKENS, headers=asked)
    assert answer.want(200)["token"]["user"]["name"] == "demo"
    assert answer.headers["X-Subject-Token"] == demo
    assert "catalog" in answer.body["token"]
    bare = await cloud.call("GET", TOKENS + "?nocatalog", headers=asked)
    assert "catalog" not in bare.want(200)["token"]
    (await cloud.call("HEAD", TOKENS, headers=asked)).want(200)
    for wrong in ("nonsense", demo[:-2] + "AA", demo + "x", "Ü"):
        (await cloud.call("GET", TOKENS, headers={"X-Subject-Token": wrong})).want(404)
    other = {"X-Subject-Token": await cloud.login("admin")}
    (await cloud.call("GET", TOKENS, headers=other, user="demo")).want(403)
    await cloud.login("muster", project="service")
    (await cloud.call("GET", TOKENS, headers=asked, user="muster")).want(200)
    (await cloud.call("DELETE", TOKENS, headers=asked, user="demo")).want(204)
    (await cloud.call("GET", TOKENS, headers=asked)).want(404)
    answer = await cloud.call("GET", "/identity/v3/auth/projects", user="demo")
    assert answer.want(401)["error"]["title"] == "Unauthorized"
    assert "Keystone uri=" in answer.headers["WWW-Authenticate"]


async def test_a_lost_role_counts_at_once(cloud: Cloud) -> None:
    project = await cloud.new_user("carol")
    token = {"X-Subject-Token": cloud.tokens["carol"]}
    (await cloud.call("GET", TOKENS, headers=token)).want(200)
    user = (await cloud.call("GET", "/identity/v3/users?name=carol")).want(200)["users"][0]["id"]
    assigned = f"/identity/v3/role_assignments?user.id={user}&scope.project.id={project}"
    role = (await cloud.call("GET", assigned)).want(200)["role_assignments"][0]["role"]["id"]
    grant = f"/identity/v3/projects/{project}/users/{user}/roles/{role}"
    (await cloud.call("HEAD", grant)).want(204)
    (await cloud.call("DELETE", grant)).want(204)
    (await cloud.call("HEAD", grant)).want(404)
    (await cloud.call("GET", TOKENS, headers=token)).want(404)


async def test_names_are_looked_up_in_two_steps(cloud: Cloud) -> None:
    for plural in ("projects", "users", "roles", "domains", "groups", "services", "regions"):
        (await cloud.call("GET", f"/identity/v3/{plural}/no-such-id")).want(404)
    assert (await cloud.call("GET", "/identity/v3/projects?name=dem")).want(200)["projects"] == []
    found = (await cloud.call("GET", "/identity/v3/projects?name=demo")).want(200)["projects"]
    assert [p["name"] for p in found] == ["demo"]
    assert found[0]["links"]["self"].endswith(found[0]["id"])


async def test_members_manage_nothing_but_see_themselves(cloud: Cloud) -> None:
    await cloud.login("demo")
    for path in ("/projects", "/users", "/roles", "/services", "/role_assignments"):
        answer = await cloud.call("GET", f"/identity/v3{path}", user="demo")
        assert "not authorized" in answer.want(403)["error"]["message"]
    body = {"project": {"name": "mine"}}
    (await cloud.call("POST", "/identity/v3/projects", body, user="demo")).want(403)
    me = (await cloud.call("GET", "/identity/v3/users?name=demo")).want(200)["users"][0]["id"]
    (await cloud.call("GET", f"/identity/v3/users/{me}", user="demo")).want(200)
    own = (await cloud.call("GET", "/identity/v3/auth/projects", user="demo")).want(200)
    assert [p["name"] for p in own["projects"]] == ["demo"]
    (
        await cloud.call("GET", f"/identity/v3/projects/{own['projects'][0]['id']}", user="demo")
    ).want(200)


async def test_management_of_everything(cloud: Cloud) -> None:
    """Create, show, rename, refuse a duplicate, delete: the same for each kind."""
    service = {"service": {"type": "object-store", "name": "swift"}}
    service_id = (await cloud.call("POST", "/identity/v3/services", service)).want(201)["service"][
        "id"
    ]
    rows: list[tuple[str, str, dict[str, Any], bool]] = [
        ("domain", "domains", {"name": "d1"}, True),
        ("project", "projects", {"name": "p1", "description": "x"}, True),
        ("user", "users", {"name": "u1", "password": "pw", "email": "a@b.c"}, True),
        ("group", "groups", {"name": "g1"}, True),
        ("role", "roles", {"name": "r1"}, True),
        ("service", "services", {"name": "s1", "type": "dns"}, False),
        (
            "endpoint",
            "endpoints",
            {"service_id": service_id, "interface": "public", "url": "http://v", "region": "R2"},
            False,
        ),
        ("region", "regions", {"id": "R3", "description": "third"}, True),
    ]
    for name, plural, body, unique in rows:
        path = f"/identity/v3/{plural}"
        made = (await cloud.call("POST", path, {name: body})).want(201)[name]
        assert {k: made[k] for k in body if k != "password"} == {
            k: v for k, v in body.items() if k != "password"
        }
        assert "password" not in made
        one = f"{path}/{made['id']}"
        assert (await cloud.call("GET", one)).want(200)[name]["id"] == made["id"]
        if unique:
            (await cloud.call("POST", path, {name: body})).want(409)
        changes = {"description": "changed", "enabled": False} if name != "region" else {}
        updated = (await cloud.call("PATCH", one, {name: changes})).want(200)[name]
        assert {k: updated[k] for k in changes} == changes
        assert made["id"] in {d["id"] for d in (await cloud.call("GET", path)).want(200)[plural]}
        (await cloud.call("DELETE", one)).want(204)
        (await cloud.call("GET", one)).want(404)
        (await cloud.call("DELETE", one)).want(404)


async def test_an_endpoint_may_name_the_project(cloud: Cloud) -> None:
    body = {"service": {"type": "object-store", "name": "swift"}}
    service = (await cloud.call("POST", "/identity/v3/services", body)).want(201)["service"]
    for sign in "$%":
        url = f"http://v/v3/{sign}(project_id)s"
        fields = {"service_id": service["id"], "interface": "public", "url": url}
        made = await cloud.call("POST", "/identity/v3/endpoints", {"endpoint": fields})
        assert made.want(201)["endpoint"]["url"] == url
    login = password_login("demo", "demo", {"name": "demo"})
    token = (await cloud.call("POST", TOKENS, login, user=None)).want(201)["token"]
    (entry,) = [e for e in token["catalog"] if e["type"] == "object-store"]
    expected = f"http://v/v3/{token['project']['id']}"
    assert [e["url"] for e in entry["endpoints"]] == [expected, expected]


async def test_an_enabled_domain_is_not_deleted_and_a_deleted_one_takes_its_users(
    cloud: Cloud,
) -> None:
    domain = (await cloud.call("POST", "/identity/v3/domains", {"domain": {"name": "d"}})).want(201)
    domain_id = domain["domain"]["id"]
    user = {"user": {"name": "u", "password": "p", "domain_id": domain_id}}
    user_id = (await cloud.call("POST", "/identity/v3/users", user)).want(201)["user"]["id"]
    (await cloud.call("DELETE", f"/identity/v3/domains/{domain_id}")).want(403)
    disable = {"domain": {"enabled": False}}
    (await cloud.call("PATCH", f"/identity/v3/domains/{domain_id}", disable)).want(200)
    (await cloud.call("DELETE", f"/identity/v3/domains/{domain_id}")).want(204)
    (await cloud.call("GET", f"/identity/v3/users/{user_id}")).want(404)


async def test_role_assignments_by_filter_and_effective(cloud: Cloud) -> None:
    project = await cloud.new_user("dora")
    user = (await cloud.call("GET", "/identity/v3/users?name=dora")).want(200)["users"][0]["id"]
    base = f"/identity/v3/role_assignments?user.id={user}&include_names=True"
    plain = (await cloud.call("GET", base)).want(200)["role_assignments"]
    assert [a["role"]["name"] for a in plain] == ["member"]
    assert plain[0]["scope"]["project"]["name"] == "dora"
    assert plain[0]["user"]["domain"]["name"] == "Default"
    effective = (await cloud.call("GET", base + "&effective")).want(200)["role_assignments"]
    assert [a["role"]["name"] for a in effective] == ["member", "reader"]
    nothing = (await cloud.call("GET", base + f"&scope.project.id={project}x")).want(200)
    assert nothing["role_assignments"] == []


async def test_a_group_gives_its_members_its_roles(cloud: Cloud) -> None:
    await cloud.new_user("emil")
    group = (await cloud.call("POST", "/identity/v3/groups", {"group": {"name": "g"}})).want(201)
    group_id = group["group"]["id"]
    role = (await cloud.call("GET", "/identity/v3/roles?name=reader")).want(200)["roles"][0]["id"]
    demo = await _project(cloud, "demo")
    grant = f"/identity/v3/projects/{demo}/groups/{group_id}/roles/{role}"
    (await cloud.call("PUT", grant)).want(204)
    login = password_login("emil", "emil", {"name": "demo"})
    (await cloud.call("POST", TOKENS, login, user=None)).want(401)
    user = (await cloud.call("GET", "/identity/v3/users?name=emil")).want(200)["users"][0]["id"]
    (await cloud.call("PUT", f"/identity/v3/groups/{group_id}/users/{user}")).want(204)
    token = (await cloud.call("POST", TOKENS, login, user=None)).want(201)["token"]
    assert [r["name"] for r in token["roles"]] == ["reader"]
    (await cloud.call("DELETE", f"/identity/v3/groups/{group_id}/users/{user}")).want(204)
    (await cloud.call("POST", TOKENS, login, user=None)).want(401)

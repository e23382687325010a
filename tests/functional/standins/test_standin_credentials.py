"""Application credentials, and everything that ends a token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.standins.conftest import Answer, Cloud

V3 = "/identity/v3"
TOKENS = f"{V3}/auth/tokens"


async def user_id(cloud: Cloud, name: str) -> str:
    found = (await cloud.call("GET", f"{V3}/users?name={name}")).want(200)["users"]
    return str(found[0]["id"])


async def login_with(cloud: Cloud, name: str, credential: dict[str, Any]) -> Answer:
    """A login by an application credential; `cloud.tokens[name]` is its token afterwards."""
    identity = {"methods": ["application_credential"], "application_credential": credential}
    answer = await cloud.call("POST", TOKENS, {"auth": {"identity": identity}}, user=None)
    if answer.status == 201:
        cloud.tokens[name] = answer.headers["X-Subject-Token"]
    return answer


async def test_application_credentials(cloud: Cloud) -> None:
    await cloud.login("demo")
    me = (await cloud.call("GET", "/identity/v3/users?name=demo")).want(200)["users"][0]["id"]
    path = f"/identity/v3/users/{me}/application_credentials"
    body = {"application_credential": {"name": "ci", "roles": [{"name": "reader"}]}}
    made = (await cloud.call("POST", path, body, user="demo")).want(201)["application_credential"]
    (await cloud.call("POST", path, body, user="demo")).want(409)
    listed = (await cloud.call("GET", path, user="demo")).want(200)["application_credentials"]
    assert [c["id"] for c in listed] == [made["id"]]
    assert "secret" not in listed[0]
    by_id = {"id": made["id"], "secret": made["secret"]}
    by_name = {"name": "ci", "secret": made["secret"], "user": {"id": me}}
    for credential in (by_id, by_name):
        identity = {"methods": ["application_credential"], "application_credential": credential}
        login = {"auth": {"identity": identity}}
        token = (await cloud.call("POST", TOKENS, login, user=None)).want(201)["token"]
        assert [r["name"] for r in token["roles"]] == ["reader"]
        assert token["project"]["name"] == "demo"
    wrong = {"id": made["id"], "secret": "guess"}
    identity = {"methods": ["application_credential"], "application_credential": wrong}
    (await cloud.call("POST", TOKENS, {"auth": {"identity": identity}}, user=None)).want(401)
    (await cloud.call("DELETE", f"{path}/{made['id']}", user="demo")).want(204)
    identity["application_credential"] = by_id
    (await cloud.call("POST", TOKENS, {"auth": {"identity": identity}}, user=None)).want(401)


async def test_a_restricted_credential_neither_makes_nor_deletes_credentials(cloud: Cloud) -> None:
    await cloud.login("demo")
    path = f"{V3}/users/{await user_id(cloud, 'demo')}/application_credentials"

    async def make(user: str, **fields: Any) -> Answer:
        body = {"application_credential": fields}
        return await cloud.call("POST", path, body, user=user)

    made = {}
    for name, unrestricted in (("bound", False), ("free", True)):
        answer = await make("demo", name=name, unrestricted=unrestricted)
        made[name] = answer.want(201)["application_credential"]
        assert [r["name"] for r in made[name]["roles"]] == ["member", "reader"]
        by_id = {"id": made[name]["id"], "secret": made[name]["secret"]}
        token = (await login_with(cloud, name, by_id)).want(201)["token"]
        assert token["application_credential"]["restricted"] is not unrestricted
    (await make("bound", name="second")).want(403)
    (await cloud.call("DELETE", f"{path}/{made['free']['id']}", user="bound")).want(403)
    (await make("free", name="second")).want(201)
    (await cloud.call("DELETE", f"{path}/{made['bound']['id']}", user="free")).want(204)
    (await cloud.call("GET", path, user="bound")).want(401)


async def test_a_credential_expires_and_has_no_access_rules(cloud: Cloud) -> None:
    await cloud.login("demo")
    base = f"{V3}/users/{await user_id(cloud, 'demo')}"

    async def make(**fields: Any) -> Answer:
        body = {"application_credential": {"name": "x", **fields}}
        return await cloud.call("POST", f"{base}/application_credentials", body, user="demo")

    (await make(expires_at="2020-01-01T00:00:00")).want(400)
    (await make(access_rules=[{"path": "/v2.1/servers"}])).want(400)
    (await make(roles=[{"name": "admin"}])).want(400)
    until = "2126-01-01T02:00:00.000000"
    made = (await make(expires_at=until, access_rules=[])).want(201)["application_credential"]
    assert made["expires_at"] == until
    by_id = {"id": made["id"], "secret": made["secret"]}
    (await login_with(cloud, "x", by_id)).want(201)
    rules = await cloud.call("GET", f"{base}/access_rules", user="demo")
    assert rules.want(200)["access_rules"] == []
    (await cloud.call("GET", f"{base}/access_rules/none", user="demo")).want(404)


async def test_trusts_are_off(cloud: Cloud) -> None:
    await cloud.login("demo")
    base = f"{V3}/OS-TRUST/trusts"
    assert (await cloud.call("GET", base, user="demo")).want(200)["trusts"] == []
    (await cloud.call("GET", f"{base}/none", user="demo")).want(404)
    refused = await cloud.call("POST", base, {"trust": {}}, user="demo")
    assert refused.want(403)["error"]["message"] == "Trusts are disabled."
    who = {"name": "demo", "domain": {"id": "default"}, "password": "demo"}
    identity = {"methods": ["password"], "password": {"user": who}}
    auth = {"identity": identity, "scope": {"OS-TRUST:trust": {"id": "none"}}}
    (await cloud.call("POST", TOKENS, {"auth": auth}, user=None)).want(403)


@pytest.mark.parametrize("ended", ["users", "projects", "domains"])
async def test_what_was_disabled_stays_ended_for_old_tokens(cloud: Cloud, ended: str) -> None:
    domain = (await cloud.call("POST", f"{V3}/domains", {"domain": {"name": "d"}})).want(201)
    inside = {"name": "gus", "domain_id": domain["domain"]["id"]}
    project = (await cloud.call("POST", f"{V3}/projects", {"project": inside})).want(201)
    user = await cloud.call("POST", f"{V3}/users", {"user": {**inside, "password": "gus"}})
    ids = {
        "domains": domain["domain"]["id"],
        "projects": project["project"]["id"],
        "users": user.want(201)["user"]["id"],
    }
    role = (await cloud.call("GET", f"{V3}/roles?name=member")).want(200)["roles"][0]["id"]
    grant = f"{V3}/projects/{ids['projects']}/users/{ids['users']}/roles/{role}"
    (await cloud.call("PUT", grant)).want(204)
    who = {"id": ids["users"], "password": "gus"}
    identity = {"methods": ["password"], "password": {"user": who}}
    auth = {"auth": {"identity": identity, "scope": {"project": {"id": ids["projects"]}}}}

    async def works() -> bool:
        return (await cloud.call("GET", f"{V3}/auth/projects", user="gus")).status == 200

    async def log_in() -> int:
        answer = await cloud.call("POST", TOKENS, auth, user=None)
        cloud.tokens["gus"] = answer.headers.get("X-Subject-Token", "none")
        return answer.status

    assert await log_in() == 201
    assert await works()
    for enabled in (False, True):
        body = {ended[:-1]: {"enabled": enabled}}
        (await cloud.call("PATCH", f"{V3}/{ended}/{ids[ended]}", body)).want(200)
        assert not await works()
        if not enabled:
            old = cloud.tokens["gus"]
            assert await log_in() == 401
            cloud.tokens["gus"] = old
    assert await log_in() == 201
    assert await works()


async def test_changing_the_own_password_ends_old_tokens(cloud: Cloud) -> None:
    await cloud.new_user("fred")
    user = (await cloud.call("GET", "/identity/v3/users?name=fred")).want(200)["users"][0]["id"]
    path = f"/identity/v3/users/{user}/password"
    change = {"user": {"password": "new", "original_password": "wrong"}}
    (await cloud.call("POST", path, change, user="fred")).want(401)
    change["user"]["original_password"] = "fred"
    (await cloud.call("POST", path, change, user="fred")).want(204)
    (await cloud.call("GET", "/identity/v3/auth/projects", user="fred")).want(401)
    await cloud.login("fred", "new")
    (await cloud.call("GET", "/identity/v3/auth/projects", user="fred")).want(200)

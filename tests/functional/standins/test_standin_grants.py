"""Roles that reach further than they were given: inherited, of a system, of a domain."""

from __future__ import annotations

from typing import Any

from tests.functional.standins.conftest import Cloud, password_login

V3 = "/identity/v3"


async def make(cloud: Cloud, kind: str, **fields: Any) -> str:
    answer = await cloud.call("POST", f"{V3}/{kind}s", {kind: fields})
    return str(answer.want(201)[kind]["id"])


async def find(cloud: Cloud, kind: str, name: str) -> str:
    found = (await cloud.call("GET", f"{V3}/{kind}s?name={name}")).want(200)[f"{kind}s"]
    return str(found[0]["id"])


async def roles_on(cloud: Cloud, project_id: str) -> list[str]:
    """The roles hal gets on a project, if any."""
    body = password_login("hal", "hal", {"id": project_id})
    answer = await cloud.call("POST", f"{V3}/auth/tokens", body, user=None)
    return [r["name"] for r in answer.body["token"]["roles"]] if answer.status == 201 else []


async def test_inherited_roles_reach_what_is_below(cloud: Cloud) -> None:
    user = await make(cloud, "user", name="hal", password="hal")
    top = await make(cloud, "project", name="top")
    leaf = await make(cloud, "project", name="leaf", parent_id=top)
    member = await find(cloud, "role", "member")
    base = f"{V3}/OS-INHERIT/projects/{top}/users/{user}/roles"
    one = f"{base}/{member}/inherited_to_projects"
    (await cloud.call("HEAD", one)).want(404)
    (await cloud.call("PUT", one)).want(204)
    (await cloud.call("HEAD", one)).want(204)
    listed = (await cloud.call("GET", f"{base}/inherited_to_projects")).want(200)["roles"]
    assert [r["id"] for r in listed] == [member]
    plain = await cloud.call("GET", f"{V3}/projects/{top}/users/{user}/roles")
    assert plain.want(200)["roles"] == []

    assert await roles_on(cloud, leaf) == ["member", "reader"]
    assert await roles_on(cloud, top) == []
    mine = (await cloud.call("GET", f"{V3}/users/{user}/projects")).want(200)["projects"]
    assert [p["name"] for p in mine] == ["leaf"]

    assigned = f"{V3}/role_assignments?user.id={user}"
    (direct,) = (await cloud.call("GET", assigned)).want(200)["role_assignments"]
    assert direct["scope"] == {"project": {"id": top}, "OS-INHERIT:inherited_to": "projects"}
    assert direct["links"]["assignment"].endswith(one.removeprefix(V3))
    effective = (await cloud.call("GET", assigned + "&effective")).want(200)["role_assignments"]
    assert [a["scope"] for a in effective] == [{"project": {"id": leaf}}] * 2

    (await cloud.call("DELETE", f"{V3}/projects/{top}")).want(403)
    (await cloud.call("DELETE", one)).want(204)
    assert await roles_on(cloud, leaf) == []


async def test_a_domain_gives_its_projects_to_a_group(cloud: Cloud) -> None:
    user = await make(cloud, "user", name="hal", password="hal")
    group = await make(cloud, "group", name="staff")
    project = await make(cloud, "project", name="new")
    reader = await find(cloud, "role", "reader")
    one = f"{V3}/OS-INHERIT/domains/default/groups/{group}/roles/{reader}/inherited_to_projects"
    (await cloud.call("PUT", one)).want(204)
    assert await roles_on(cloud, project) == []
    (await cloud.call("PUT", f"{V3}/groups/{group}/users/{user}")).want(204)
    assert await roles_on(cloud, project) == ["reader"]
    inherited = f"{V3}/role_assignments?scope.OS-INHERIT:inherited_to=projects"
    found = (await cloud.call("GET", inherited)).want(200)["role_assignments"]
    assert [a["group"]["id"] for a in found] == [group]
    (await cloud.call("DELETE", f"{V3}/groups/{group}")).want(204)
    assert await roles_on(cloud, project) == []


async def test_a_role_of_a_domain_only_stands_for_others(cloud: Cloud) -> None:
    user = await make(cloud, "user", name="hal", password="hal")
    project = await make(cloud, "project", name="p")
    own = await make(cloud, "role", name="operator", domain_id="default")
    member = await find(cloud, "role", "member")
    (await cloud.call("PUT", f"{V3}/roles/{member}/implies/{own}")).want(403)
    (await cloud.call("PUT", f"{V3}/projects/{project}/users/{user}/roles/{own}")).want(204)
    assert await roles_on(cloud, project) == []
    implies = f"{V3}/roles/{own}/implies/{member}"
    (await cloud.call("PUT", implies)).want(201)
    (await cloud.call("HEAD", implies)).want(204)
    assert await roles_on(cloud, project) == ["member", "reader"]


async def test_system_roles(cloud: Cloud) -> None:
    user = await make(cloud, "user", name="hal", password="hal")
    body = password_login("hal", "hal", None)
    body["auth"]["scope"] = {"system": {"all": True}}
    (await cloud.call("POST", f"{V3}/auth/tokens", body, user=None)).want(401)
    reader = await find(cloud, "role", "reader")
    (await cloud.call("PUT", f"{V3}/system/users/{user}/roles/{reader}")).want(204)
    token = (await cloud.call("POST", f"{V3}/auth/tokens", body, user=None)).want(201)["token"]
    assert [r["name"] for r in token["roles"]] == ["reader"]
    listed = f"{V3}/role_assignments?scope.system=all&user.id={user}"
    (found,) = (await cloud.call("GET", listed)).want(200)["role_assignments"]
    assert found["scope"] == {"system": {"all": True}}


async def test_project_tags(cloud: Cloud) -> None:
    project = await make(cloud, "project", name="p", tags=["a"])
    base = f"{V3}/projects/{project}/tags"
    (await cloud.call("PUT", f"{base}/b")).want(201)
    assert (await cloud.call("GET", base)).want(200)["tags"] == ["a", "b"]
    (await cloud.call("DELETE", f"{base}/a")).want(204)
    (await cloud.call("HEAD", f"{base}/a")).want(404)
    found = (await cloud.call("GET", f"{V3}/projects?tags=b")).want(200)["projects"]
    assert [p["id"] for p in found] == [project]
    tags = {"tags": ["x", "x", "y"]}
    assert (await cloud.call("PUT", base, tags)).want(200)["tags"] == ["x", "y"]
    (await cloud.call("PUT", base, {"tags": ["one,two"]})).want(400)
    (await cloud.call("DELETE", base)).want(204)
    assert (await cloud.call("GET", base)).want(200)["tags"] == []

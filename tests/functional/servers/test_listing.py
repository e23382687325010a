"""Lists: filters, who may use them, order, pages."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.functional.servers.conftest import Stack

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
IPS = [
    {
        "label": "private", "mac": "fa:16:3e:00:00:01", "port_id": "p", "network_id": "n",
        "fixed_ips": [
            {"address": "10.0.0.7", "version": 4, "floating": ["172.24.4.9"]},
            {"address": "fd00::7", "version": 6, "floating": []},
        ],
    }
]  # fmt: skip
IMAGE = "4d7ed0a8-1bbf-4b66-a8a4-5d0d2c1a9f10"
ROWS: dict[str, dict[str, Any]] = {
    "alpha": {
        "host": "h1", "node": "n1", "key_name": "k1", "tags": ["red", "big"], "locked_by": "owner",
        "availability_zone": "nova", "network_info": IPS, "user_id": "u1", "progress": 50,
    },
    "beta": {
        "host": "h2", "node": "n2", "key_name": "k2", "tags": ["red"], "vm_state": "stopped",
        "power_state": 4, "reservation_id": "r-beta", "image_ref": IMAGE, "config_drive": "True",
    },
    "gamma": {"vm_state": "error", "hostname": "special", "flavorid": "2", "launched_at": None},
    "delta": {"task_state": "rebooting", "host": "h1", "access_ip_v4": "9.9.9.9", "key_name": "k1"},
    "gone": {"vm_state": "deleted", "deleted_at": T0 + dt.timedelta(days=2)},
    "soft": {"vm_state": "soft-delete"},
}  # fmt: skip


@pytest.fixture(scope="module")
async def rows(stack: Stack) -> dict[str, str]:
    """Name to id; created an hour after one another, in this order, in the project of demo."""
    ids = {}
    for n, (name, columns) in enumerate(ROWS.items()):
        at = T0 + dt.timedelta(hours=n)
        ids[name] = await stack.server(name=name, created_at=at, updated_at=at, **columns)
    await stack.server(user="other", name="theirs", created_at=T0, updated_at=T0)
    return ids


async def names(
    stack: Stack, query: str = "", *, user: str = "demo", v: int = 104, detail: bool = False
) -> list[str]:
    path = "/servers/detail" if detail else "/servers"
    answer = await stack.call("GET", f"{path}?{query}", user=user, v=v)
    assert answer.status == 200, answer.body
    return [server["name"] for server in answer.body["servers"]]


LIVE = ["delta", "gamma", "beta", "alpha"]


@pytest.mark.usefixtures("rows")
class TestFilters:
    @pytest.mark.parametrize("detail", [False, True])
    async def test_default_is_the_projects_own_newest_first(
        self, stack: Stack, detail: bool
    ) -> None:
        assert await names(stack, detail=detail) == LIVE
        assert await names(stack, user="other") == ["theirs"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("name=a$", ["delta", "gamma", "beta", "alpha"]),
            ("name=^.e", ["delta", "beta"]),
            ("status=active", ["delta", "alpha"]),
            ("status=SHUTOFF&status=ERROR", ["gamma", "beta"]),
            ("status=REBOOT", ["delta"]),
            ("flavor=2", ["gamma"]),
            ("flavor=unknown", []),
            (f"image={IMAGE}", ["beta"]),
            ("reservation_id=beta", ["beta"]),
            ("ip=10.0", ["alpha"]),
            ("ip=0.0.7", []),
            ("ip6=fd00", ["alpha"]),
            ("tags=red", ["beta", "alpha"]),
            ("tags=red,big", ["alpha"]),
            ("tags-any=big,small", ["alpha"]),
            ("not-tags=red,big", ["delta", "gamma", "beta"]),
            ("not-tags-any=red,big", ["delta", "gamma"]),
            ("locked=true", ["alpha"]),
            ("locked=0", ["delta", "gamma", "beta"]),
            ("key_name=k1", ["delta", "alpha"]),
            ("availability_zone=nova", ["delta", "beta", "alpha"]),
            ("config_drive=True", ["beta"]),
            ("power_state=4", ["beta"]),
            ("task_state=rebooting", ["delta"]),
            ("vm_state=error", ["gamma"]),
            ("progress=50", ["alpha"]),
            ("user_id=u1", ["alpha"]),
            ("hostname=special", ["gamma"]),
            ("created_at=2026-01-01 01:", ["beta"]),
            ("changes-since=2026-01-01T03:00:00Z", ["soft", "gone", "delta"]),
            ("changes-before=2026-01-01T01:00:00", ["beta", "alpha"]),
            ("name=e&name=^a", ["alpha"]),
            ("tenant_id=anything", LIVE),
            ("host=h1", LIVE),
            ("deleted=true", LIVE),
            ("vm_state=deleted", []),
        ],
    )
    async def test_for_everybody(self, stack: Stack, query: str, expected: list[str]) -> None:
        assert await names(stack, query) == expected
        assert await names(stack, query, detail=True) == expected

    @pytest.mark.parametrize(
        ("query", "since"),
        [("ip6=fd00", 5), ("key_name=k1", 83), ("hostname=special", 90)],
    )
    async def test_dropped_for_users_before_their_version(
        self, stack: Stack, query: str, since: int
    ) -> None:
        assert await names(stack, query, v=since - 1) == LIVE
        assert await names(stack, query, v=since) != LIVE

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("host=h1", ["delta", "alpha"]),
            ("node=n2", ["beta"]),
            ("deleted=true", ["soft", "gone"]),
            ("deleted=true&soft_deleted=false", ["gone"]),
            ("vm_state=deleted", ["gone"]),
            ("deleted=rubbish", LIVE),
            ("soft_deleted=1", ["soft", *LIVE]),
            ("status=DELETED", ["gone"]),
            ("status=soft_deleted", ["soft"]),
            ("access_ip_v4=9.9", ["delta"]),
            ("launched_at=20", ["delta", "beta", "alpha"]),
            ("launch_index=0", LIVE),
            ("changes-since=2026-01-01T03:00:00Z&deleted=false", ["delta"]),
            ("uuid=nonsense", []),
        ],
    )
    async def test_for_administrators(self, stack: Stack, query: str, expected: list[str]) -> None:
        query = f"all_tenants&project_id={stack.projects['demo']}&{query}"
        assert await names(stack, query, user="admin") == expected
        assert await names(stack, query, user="admin", detail=True) == expected

    async def test_by_id(self, stack: Stack, rows: dict[str, str]) -> None:
        query = f"all_tenants=1&uuid={rows['beta']}"
        assert await names(stack, query, user="admin") == ["beta"]

    @pytest.mark.parametrize("value", ["", "1", "True", "yes"])
    async def test_all_tenants(self, stack: Stack, value: str) -> None:
        found = await names(stack, f"all_tenants={value}", user="admin")
        assert sorted(found) == sorted([*LIVE, "theirs"])
        answer = await stack.call("GET", f"/servers?all_tenants={value}", user="demo")
        assert answer.status == 403
        assert "os_compute_api:servers:index:get_all_tenants" in answer.fault()

    async def test_all_tenants_may_be_switched_off(self, stack: Stack) -> None:
        assert await names(stack, "all_tenants=no", user="demo") == LIVE

    @pytest.mark.parametrize(
        ("query", "v", "status", "words"),
        [
            ("name=[", 104, 400, "Invalid input for query parameters name"),
            ("name=", 104, 400, "Invalid input for query parameters name"),
            ("name=(?P<x>a)", 104, 400, "no valid regular expression"),
            ("locked=maybe", 104, 400, "locked"),
            ("status=dancing", 38, 400, "dancing"),
            ("status=DELETED", 104, 403, "Only administrators may list deleted"),
            ("changes-since=yesterday", 104, 400, "changes-since"),
            ("changes-since=2026-02-01&changes-before=2026-01-01", 66, 400, "changes-s"),
            ("all_tenants=maybe", 104, 400, "all_tenants"),
            ("limit=-1", 104, 400, "limit"),
            ("limit=x", 1, 400, "limit"),
            ("marker=nonsense", 104, 400, "marker [nonsense] not found"),
            ("sort_key=colour", 104, 400, "sort_key"),
            ("sort_key=vcpus", 75, 400, "sort_key"),
            ("sort_key=host", 104, 403, "host"),
            ("sort_dir=up", 104, 400, "sort direction"),
            ("colour=red", 75, 400, "'colour' does not match any of the regexes: '^_'"),
        ],
    )
    async def test_refused(self, stack: Stack, query: str, v: int, status: int, words: str) -> None:
        answer = await stack.call("GET", f"/servers?{query}", user="demo", v=v)
        assert answer.status == status, answer.body
        assert words in answer.fault()

    async def test_joined_names_are_no_filters(self, stack: Stack) -> None:
        assert (await stack.call("GET", "/servers?metadata=x")).status == 400
        assert await names(stack, "metadata=x") == LIVE

    async def test_ignored(self, stack: Stack) -> None:
        assert await names(stack, "colour=red", v=74) == LIVE
        assert await names(stack, "sort_key=vcpus", v=74) == LIVE
        assert await names(stack, "status=dancing", v=37) == []


@pytest.mark.usefixtures("rows")
class TestOrder:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("sort_dir=asc", ["alpha", "beta", "gamma", "delta"]),
            ("sort_key=display_name&sort_dir=asc", ["alpha", "beta", "delta", "gamma"]),
            ("sort_key=display_name", ["gamma", "delta", "beta", "alpha"]),
            ("sort_key=key_name&sort_dir=asc", ["gamma", "alpha", "delta", "beta"]),
            ("sort_key=key_name&sort_dir=desc", ["beta", "delta", "alpha", "gamma"]),
            (
                "sort_key=vm_state&sort_key=display_name&sort_dir=desc&sort_dir=asc",
                ["beta", "gamma", "alpha", "delta"],
            ),
            ("sort_key=locked", ["alpha", "delta", "gamma", "beta"]),
        ],
    )
    @pytest.mark.parametrize("page", [1, 2, 10])
    async def test_and_pages_of_it(
        self, stack: Stack, query: str, expected: list[str], page: int
    ) -> None:
        found: list[str] = []
        path, links = f"/servers?{query}&limit={page}", []
        while path:
            answer = await stack.call("GET", path, user="demo")
            assert answer.status == 200, answer.body
            servers = answer.body["servers"]
            found += [server["name"] for server in servers]
            links = answer.body.get("servers_links", [])
            assert bool(links) == (len(servers) == page)
            path = links[0]["href"].partition("/v2.1")[2] if links else ""
        assert found == expected

    async def test_the_link_repeats_the_question(self, stack: Stack, rows: dict[str, str]) -> None:
        path = "/servers/detail?limit=2&name=a&sort_key=created_at"
        (link,) = (await stack.call("GET", path, user="demo")).body["servers_links"]
        parts = urlsplit(link["href"])
        assert (link["rel"], parts.path) == ("next", "/v2.1/servers/detail")
        assert parse_qs(parts.query) == {
            "limit": ["2"],
            "name": ["a"],
            "sort_key": ["created_at"],
            "marker": [rows["gamma"]],
        }

    async def test_a_page_of_none(self, stack: Stack) -> None:
        answer = await stack.call("GET", "/servers?limit=0", user="demo")
        assert answer.body == {"servers": []}

    async def test_others_servers_are_no_markers(self, stack: Stack, rows: dict[str, str]) -> None:
        answer = await stack.call("GET", f"/servers?marker={rows['beta']}", user="other")
        assert (answer.status, answer.fault()) == (400, f"marker [{rows['beta']}] not found")

"""Resize, cold migration, confirm and revert: what they leave behind and what they refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.functional.servers.conftest import FLAVOR, Stack


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")
    await stack.add_host("other")
    await stack.add_host("down", fresh=False)


async def flavor(stack: Stack, name: str, **fields: Any) -> str:
    body = {"name": name, "id": name, "ram": 1024, "vcpus": 2, "disk": 2, **fields}
    answer = await stack.call("POST", "/flavors", {"flavor": body}, v=60)
    assert answer.status == 200, answer.body
    return name


async def placed(stack: Stack, **columns: Any) -> str:
    return await stack.server(**{"host": "up", "node": "node-up", "generation": 3, **columns})


async def migration(stack: Stack, server_id: str) -> asyncpg.Record:
    (row,) = await stack.pool.fetch(
        "select * from migrations where server_uuid = $1::uuid", server_id
    )
    return row


async def flavor_number(stack: Stack, flavorid: str) -> int:
    query = "select id from flavors where flavorid = $1"
    return int(await stack.pool.fetchval(query, flavorid))


class TestResize:
    async def test_what_it_leaves_behind(self, stack: Stack) -> None:
        wanted = await flavor(stack, "bigger", swap=512, **{"OS-FLV-EXT-DATA:ephemeral": 1})
        server_id = await placed(stack)
        body = {"resize": {"flavorRef": wanted, "OS-DCF:diskConfig": "AUTO"}}
        answer = await stack.action(server_id, body)
        assert (answer.status, answer.body) == (202, b"")
        (workflow,) = await stack.workflows(server_id)
        row = await migration(stack, server_id)
        assert workflow["kind"] == "resize"
        assert workflow["state"] == {
            "flavor": {
                **FLAVOR, "id": "bigger", "name": "bigger", "vcpus": 2, "memory_mib": 1024,
                "root_gib": 2, "ephemeral_gib": 1, "swap_mib": 512, "extra_specs": {},
            },
            "host": None,
            "migration_uuid": str(row["uuid"]),
        }  # fmt: skip
        assert (row["migration_type"], row["status"]) == ("resize", "accepted")
        assert (row["source_compute"], row["source_node"]) == ("up", "node-up")
        assert (row["source_generation"], row["dest_compute"]) == (3, None)
        assert row["old_flavor_id"] == await flavor_number(stack, "1")
        assert row["new_flavor_id"] == await flavor_number(stack, "bigger")
        assert row["project_id"] == stack.projects["demo"]
        server = await stack.row(server_id)
        assert (server["flavorid"], server["auto_disk_config"]) == ("1", True)
        assert (await stack.show(server_id))["status"] == "RESIZE"

    async def test_flavors_it_refuses(self, stack: Stack) -> None:
        await flavor(stack, "no-disk", disk=0)
        await flavor(stack, "off")
        await stack.pool.execute("update flavors set disabled = true where flavorid = 'off'")
        private = await flavor(stack, "private", **{"os-flavor-access:is_public": False})
        server_id = await placed(stack, root_gib=20)
        for flavorid, words in [
            ("nothing", "Flavor nothing could not be found."),
            (0, "Flavor 0 could not be found."),
            ("off", "Flavor off could not be found."),
            (private, "Flavor private could not be found."),
            ("1", "When resizing, instances must change flavor!"),
            ("no-disk", "without a disk"),
            ("bigger", "smaller disk"),
        ]:
            answer = await stack.action(server_id, {"resize": {"flavorRef": flavorid}})
            assert answer.status == 400, (flavorid, answer.body)
            assert words in answer.fault()
        for body in ({}, {"flavorRef": ""}, {"flavorRef": None}, {"flavorRef": "2", "host": "up"}):
            answer = await stack.action(server_id, {"resize": body})
            assert answer.status == 400, body
        assert not await stack.workflows(server_id)
        assert not await stack.actions(server_id)

    async def test_a_private_flavor_of_the_project(self, stack: Stack) -> None:
        server_id = await placed(stack)
        body = {"addTenantAccess": {"tenant": stack.projects["demo"]}}
        assert (await stack.call("POST", "/flavors/private/action", body)).status == 200
        answer = await stack.action(server_id, {"resize": {"flavorRef": "private"}})
        assert answer.status == 202, answer.body

    async def test_the_state_is_checked_before_the_flavor(self, stack: Stack) -> None:
        server_id = await placed(stack, vm_state="paused")
        answer = await stack.action(server_id, {"resize": {"flavorRef": "nothing"}})
        assert answer.status == 409

    async def test_the_difference_counts_in_the_quota(self, stack: Stack) -> None:
        await flavor(stack, "fits", vcpus=3, ram=512)
        await flavor(stack, "much", vcpus=4, ram=2048)
        project = stack.projects["other"]
        limits = {"cores": 4, "ram": 2048, "instances": 2}
        answer = await stack.call("PUT", f"/os-quota-sets/{project}", {"quota_set": limits})
        assert answer.status == 200, answer.body
        first = await placed(stack, user="other")
        second = await placed(stack, user="other")
        answer = await stack.action(first, {"resize": {"flavorRef": "much"}}, user="other")
        assert answer.status == 403
        assert answer.fault() == (
            "Quota exceeded for cores, ram: Requested 3, 1536, "
            "but already used 2, 1024 of 4, 2048 cores, ram"
        )
        assert not await stack.workflows(first)
        answers = await asyncio.gather(
            *(stack.action(s, {"resize": {"flavorRef": "fits"}}, user="other")
              for s in (first, second))
        )  # fmt: skip
        assert sorted(a.status for a in answers) == [202, 403], "the first is counted already"
        unlimited = {"cores": -1, "ram": -1, "instances": -1}
        await stack.call("PUT", f"/os-quota-sets/{project}", {"quota_set": unlimited})
        for server_id in (first, second):
            if not await stack.workflows(server_id):
                answer = await stack.action(
                    server_id, {"resize": {"flavorRef": "much"}}, user="other"
                )
                assert answer.status == 202

    async def test_smaller_is_always_allowed(self, stack: Stack) -> None:
        project = stack.projects["other"]
        limits = {"cores": 0, "ram": 0, "instances": 0}
        await stack.call(
            "PUT", f"/os-quota-sets/{project}", {"quota_set": {**limits, "force": True}}
        )
        server_id = await placed(stack, user="other", flavorid="5", vcpus=8, memory_mib=8192)
        answer = await stack.action(server_id, {"resize": {"flavorRef": "bigger"}}, user="other")
        assert answer.status == 202, answer.body


class TestMigrate:
    async def test_what_it_leaves_behind(self, stack: Stack) -> None:
        for v, argument, host in [
            (1, None, None),
            (55, {"whatever": 1}, None),
            (56, None, None),
            (56, {}, None),
            (56, {"host": None}, None),
            (56, {"host": "other"}, "other"),
        ]:
            server_id = await placed(stack)
            answer = await stack.action(server_id, {"migrate": argument}, user="admin", v=v)
            assert (answer.status, answer.body) == (202, b""), argument
            (workflow,) = await stack.workflows(server_id)
            row = await migration(stack, server_id)
            assert workflow["kind"] == "migrate"
            assert workflow["state"] == {
                "flavor": None,
                "host": host,
                "migration_uuid": str(row["uuid"]),
            }
            assert (row["migration_type"], row["dest_compute"]) == ("migration", host)
            assert row["old_flavor_id"] == row["new_flavor_id"] is not None

    async def test_hosts_it_refuses(self, stack: Stack) -> None:
        server_id = await placed(stack)
        for argument, words in [
            ({"host": "nowhere"}, "Compute host nowhere could not be found."),
            ({"host": "up"}, "host where the server exists"),
            ({"host": ""}, "Invalid input for field/attribute host"),
            ({"node": "up"}, "'node' was unexpected"),
            ("up", "migrate"),
        ]:
            answer = await stack.action(server_id, {"migrate": argument}, user="admin")
            assert answer.status == 400, argument
            assert words in answer.fault()
        assert not await stack.workflows(server_id)


class TestSettle:
    async def resized(self, stack: Stack, status: str = "finished") -> tuple[str, str]:
        server_id = await stack.server(
            vm_state="resized", host="other", node="other", generation=4, flavorid="2"
        )
        uuid = await stack.pool.fetchval(
            "insert into migrations (uuid, server_uuid, migration_type, status, source_compute, "
            "source_node, source_generation, dest_compute) values "
            "(gen_random_uuid(), $1::uuid, 'resize', $2, 'up', 'node-up', 3, 'other') "
            "returning uuid",
            server_id,
            status,
        )
        return server_id, str(uuid)

    @pytest.mark.parametrize(
        ("action", "code", "status", "task"),
        [
            ("confirmResize", 204, "confirming", None),
            ("revertResize", 202, "reverting", "resize_reverting"),
        ],
    )
    async def test_what_it_leaves_behind(
        self, stack: Stack, action: str, code: int, status: str, task: str | None
    ) -> None:
        server_id, uuid = await self.resized(stack)
        answer = await stack.action(server_id, {action: None})
        assert (answer.status, answer.body) == (code, b"")
        (workflow,) = await stack.workflows(server_id)
        assert workflow["state"] == {
            "migration_uuid": uuid,
            "source": "up",
            "source_node": "node-up",
            "source_generation": 3,
        }
        assert (await migration(stack, server_id))["status"] == status
        assert (await stack.row(server_id))["task_state"] == task

    @pytest.mark.parametrize("action", ["confirmResize", "revertResize"])
    async def test_nothing_to_settle(self, stack: Stack, action: str) -> None:
        server_id, _ = await self.resized(stack, "confirmed")
        answer = await stack.action(server_id, {action: None})
        assert (answer.status, answer.fault()) == (400, "Instance has not been resized.")
        assert (await stack.row(server_id))["task_state"] is None
        assert not await stack.actions(server_id)

    async def test_of_confirm_and_revert_one_wins(self, stack: Stack) -> None:
        """Confirm sets no task_state, so the migration decides."""
        for _ in range(5):
            server_id, _ = await self.resized(stack)
            actions = ["confirmResize", "revertResize"] * 3
            answers = await asyncio.gather(
                *(stack.action(server_id, {action: None}) for action in actions)
            )
            (workflow,) = await stack.workflows(server_id)
            accepted = [
                action for action, a in zip(actions, answers, strict=True) if a.status < 300
            ]
            kinds = {"confirmResize": "confirm_resize", "revertResize": "revert_resize"}
            assert [kinds[action] for action in accepted] == [workflow["kind"]]
            assert {a.status for a in answers} <= {202, 204, 400, 409}
            assert await stack.actions(server_id) == accepted
            task = (await stack.row(server_id))["task_state"]
            assert task == ("resize_reverting" if accepted == ["revertResize"] else None)

"""Services over HTTP: what is listed, and what operators decide."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from common.bus.port import Bus, Delivery, Unroutable
from common.bus.topology import host_queue
from common.messages.workflow import RunWorkflow
from tests.functional.api.conftest import Answer, Deployment
from tests.support.wait import wait_for


async def _service(deployment: Deployment, host: str, v: int = 104) -> dict[str, Any]:
    answer = await deployment.call("GET", f"/os-services?host={host}", v=v)
    (service,) = answer.body["services"]
    return dict(service)


async def _update(deployment: Deployment, host: str, **changes: Any) -> Answer:
    service = await _service(deployment, host)
    return await deployment.call("PUT", f"/os-services/{service['id']}", changes)


async def test_list(deployment: Deployment) -> None:
    await deployment.add_host("list-1")
    await deployment.add_host("list-2", fresh=False)
    await deployment.add_host("list-3", binary="nova-conductor")
    services = (await deployment.call("GET", "/os-services")).body["services"]
    by_host = {service["host"]: service for service in services}
    assert by_host["list-1"]["state"] == "up"
    assert by_host["list-2"]["state"] == "down"
    assert (by_host["list-1"]["zone"], by_host["list-3"]["zone"]) == ("nova", "internal")
    assert "api-1" not in by_host, "the API's own processes are not shown"
    assert await deployment.pool.fetchval(
        "select is_fresh(s) from services s where binary_name = 'nova-osapi_compute'"
    )
    only = (await deployment.call("GET", "/os-services?binary=nova-conductor")).body["services"]
    assert [service["host"] for service in only] == ["list-3"]


async def test_fields_by_version(deployment: Deployment) -> None:
    number = await deployment.add_host("fields-1")
    assert (await _service(deployment, "fields-1", v=52))["id"] == number
    assert "forced_down" not in await _service(deployment, "fields-1", v=10)
    service = await _service(deployment, "fields-1", v=53)
    assert len(service["id"]) == 36
    assert service["forced_down"] is False
    assert service["updated_at"][-7] == "."


async def test_disable_and_enable(deployment: Deployment) -> None:
    await deployment.add_host("able-1")
    answer = await _update(deployment, "able-1", status="disabled", disabled_reason="why")
    assert answer.status == 200
    assert answer.body["service"]["disabled_reason"] == "why"
    again = await _update(deployment, "able-1", status="disabled", disabled_reason="why")
    assert (again.status, again.body["service"]["disabled_reason"]) == (200, "why")
    answer = await _update(deployment, "able-1", status="enabled")
    assert answer.body["service"]["status"] == "enabled"
    assert answer.body["service"]["disabled_reason"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"disabled_reason": "x"},
        {"status": "enabled", "disabled_reason": "x"},
        {"status": "unsure"},
    ],
)
async def test_updates_that_say_nothing(deployment: Deployment, changes: dict[str, Any]) -> None:
    if not await deployment.pool.fetchval("select 1 from services where host = 'same-1'"):
        await deployment.add_host("same-1")
    assert (await _update(deployment, "same-1", **changes)).status == 400


@pytest.mark.parametrize(
    "changes",
    [{"status": "enabled"}, {"status": "disabled"}, {"forced_down": False}, {"forced_down": True}],
)
async def test_a_repeated_update_is_answered_alike(
    deployment: Deployment, changes: dict[str, Any]
) -> None:
    """Tools that evacuate hosts depend on it."""
    if not await deployment.pool.fetchval("select 1 from services where host = 'again-1'"):
        await deployment.add_host("again-1")
    first = await _update(deployment, "again-1", **changes)
    second = await _update(deployment, "again-1", **changes)
    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body


async def test_forced_down_is_down_at_once(deployment: Deployment) -> None:
    await deployment.add_host("force-1")
    answer = await _update(deployment, "force-1", forced_down=True)
    assert (answer.body["service"]["state"], answer.body["service"]["forced_down"]) == (
        "down",
        True,
    )
    nodes = (await deployment.call("GET", "/os-hypervisors")).body["hypervisors"]
    assert {n["hypervisor_hostname"]: n["state"] for n in nodes}["force-1"] == "down"
    answer = await _update(deployment, "force-1", forced_down=False)
    assert answer.body["service"]["state"] == "up"


async def test_a_host_stays_down_while_evacuated_guests_may_be_on_it(
    deployment: Deployment,
) -> None:
    await deployment.add_host("evacuated-1")
    await _update(deployment, "evacuated-1", forced_down=True)
    await deployment.pool.execute(
        "insert into migrations (uuid, server_uuid, migration_type, status, source_compute) "
        "values (gen_random_uuid(), gen_random_uuid(), 'evacuation', 'done', 'evacuated-1')"
    )
    assert (await _update(deployment, "evacuated-1", forced_down=False)).status == 400
    old = {"host": "evacuated-1", "binary": "nova-compute", "forced_down": False}
    answer = await deployment.call("PUT", "/os-services/force-down", old, v=11)
    assert answer.status == 400
    await deployment.pool.execute(
        "update migrations set status = 'completed' where source_compute = 'evacuated-1'"
    )
    assert (await _update(deployment, "evacuated-1", forced_down=False)).status == 200


async def test_verbs_of_old_versions(deployment: Deployment) -> None:
    await deployment.add_host("verb-1")
    target = {"host": "verb-1", "binary": "nova-compute"}

    async def put(verb: str, v: int = 52, **more: Any) -> Answer:
        return await deployment.call("PUT", f"/os-services/{verb}", {**target, **more}, v=v)

    answer = await put("disable-log-reason", disabled_reason="broken fan")
    reasoned = {**target, "status": "disabled", "disabled_reason": "broken fan"}
    assert answer.body == {"service": reasoned}
    assert (await put("disable-log-reason")).status == 400
    assert (await put("disable")).body == {"service": {**target, "status": "disabled"}}
    assert (await _service(deployment, "verb-1"))["disabled_reason"] is None
    assert (await put("enable")).body == {"service": {**target, "status": "enabled"}}
    answer = await put("force-down", forced_down="true")
    assert answer.body == {"service": {**target, "forced_down": True}}
    assert (await put("force-down")).status == 400
    assert (await put("force-down", v=10)).status == 404
    assert (await put("dance")).status == 404
    assert (await put("enable", host="nowhere")).status == 404


async def test_only_hosts_are_decided_about(deployment: Deployment) -> None:
    await deployment.add_host("conductor-1", binary="nova-conductor")
    assert (await _update(deployment, "conductor-1", status="disabled")).status == 400
    body = {"host": "conductor-1", "binary": "nova-conductor"}
    assert (await deployment.call("PUT", "/os-services/disable", body, v=1)).status == 400
    body["host"] = "nowhere"
    assert (await deployment.call("PUT", "/os-services/disable", body, v=1)).status == 400


async def test_ids(deployment: Deployment) -> None:
    body = {"status": "disabled"}
    assert (await deployment.call("PUT", "/os-services/1", body)).status == 400
    assert (await deployment.call("PUT", f"/os-services/{uuid4()}", body)).status == 404
    assert (await deployment.call("DELETE", "/os-services/1")).status == 400
    assert (await deployment.call("DELETE", "/os-services/999999", v=52)).status == 404
    assert (await deployment.call("DELETE", f"/os-services/{uuid4()}", v=52)).status == 400


async def test_delete(deployment: Deployment) -> None:
    await deployment.add_host("gone-1")
    service = await _service(deployment, "gone-1")
    server = await deployment.add_server("demo", "gone-1")
    answer = await deployment.call("DELETE", f"/os-services/{service['id']}")
    assert answer.status == 409
    await deployment.pool.execute("delete from servers where uuid = $1::uuid", server)
    assert (await deployment.call("DELETE", f"/os-services/{service['id']}")).status == 204
    assert (await deployment.call("DELETE", f"/os-services/{service['id']}")).status == 404
    nodes = (await deployment.call("GET", "/os-hypervisors")).body["hypervisors"]
    assert "gone-1" not in {node["hypervisor_hostname"] for node in nodes}


async def test_queue_goes_with_the_host(deployment: Deployment) -> None:
    bus = deployment.bus
    for host, running in (("queue-1", False), ("queue-2", True)):
        number = await deployment.add_host(host)
        consumed = await bus.consume(host_queue(host), _ignore, prefetch=1)
        if not running:
            await consumed.cancel()
            await bus.publish(host_queue(host), RunWorkflow(workflow_id=1, server_uuid="x"))
        assert (await deployment.call("DELETE", f"/os-services/{number}", v=1)).status == 204
    await wait_for(lambda: _is_gone(bus, "queue-1"))
    await bus.publish(host_queue("queue-2"), RunWorkflow(workflow_id=1, server_uuid="x"))


async def _ignore(_: Delivery) -> None:
    pass


async def _is_gone(bus: Bus, host: str) -> bool:
    try:
        await bus.publish(host_queue(host), RunWorkflow(workflow_id=1, server_uuid="x"))
    except Unroutable:
        return True
    return False


async def test_host_in_a_migration_cannot_go(deployment: Deployment) -> None:
    number = await deployment.add_host("moving-1")
    await deployment.pool.execute(
        "insert into migrations (uuid, server_uuid, migration_type, status, dest_compute) "
        "values (gen_random_uuid(), gen_random_uuid(), 'migration', 'migrating', 'moving-1')"
    )
    assert (await deployment.call("DELETE", f"/os-services/{number}", v=1)).status == 409


async def test_zones(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-availability-zone", user="demo")
    nova = {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}
    assert answer.body == {"availabilityZoneInfo": [nova]}
    await deployment.add_host("zone-1")
    zones = (await deployment.call("GET", "/os-availability-zone/detail")).body
    by_name = {zone["zoneName"]: zone for zone in zones["availabilityZoneInfo"]}
    entry = by_name["nova"]["hosts"]["zone-1"]["nova-compute"]
    assert (entry["active"], entry["available"]) == (True, True)
    assert set(by_name) == {"internal", "nova"}

"""What Muster has none of, read by those who ask for it: usage audits of hosts, bare metal."""

from __future__ import annotations

import datetime as dt

import pytest

from services.api.handlers.instance_usage_audit_log import last_whole_month
from tests.functional.api.conftest import Deployment


async def test_no_host_has_reported_for_the_last_month(deployment: Deployment) -> None:
    await deployment.add_host("h1")
    await deployment.add_host("h2", fresh=False)
    await deployment.add_host("c1", binary="nova-conductor")
    path = "/os-instance_usage_audit_log"
    shown = await deployment.call("GET", f"{path}/2026-03-15%2010:20:30")
    log = shown.body["instance_usage_audit_log"]
    assert (log["period_beginning"], log["period_ending"]) == (
        "2026-02-01 00:00:00",
        "2026-03-01 00:00:00",
    )
    assert log["hosts_not_run"] == ["h1", "h2"]
    assert (log["num_hosts"], log["num_hosts_not_run"], log["num_hosts_done"]) == (2, 2, 0)
    assert (log["overall_status"], log["log"]) == ("0 of 2 hosts done. 0 errors.", {})
    listed = await deployment.call("GET", path)
    assert listed.body["instance_usage_audit_logs"]["hosts_not_run"] == ["h1", "h2"]
    for wrong in ("yesterday", "2026-13-01%2000:00:00", "0001-01-01%2000:00:00"):
        assert (await deployment.call("GET", f"{path}/{wrong}")).status == 400
    assert (await deployment.call("GET", path, user="demo")).status == 403


@pytest.mark.parametrize(
    ("before", "begin", "end"),
    [
        ("2026-03-01T00:00:01", "2026-02-01", "2026-03-01"),
        ("2026-03-01T00:00:00", "2026-01-01", "2026-02-01"),
        ("2026-01-31T12:00:00", "2025-12-01", "2026-01-01"),
    ],
)
def test_the_last_whole_month(before: str, begin: str, end: str) -> None:
    found = last_whole_month(dt.datetime.fromisoformat(before))
    assert [moment.isoformat()[:10] for moment in found] == [begin, end]


async def test_no_bare_metal_nodes(deployment: Deployment) -> None:
    path = "/os-baremetal-nodes"
    assert (await deployment.call("GET", path, v=35)).body == {"nodes": []}
    assert (await deployment.call("GET", f"{path}/n", v=35)).status == 404
    assert (await deployment.call("GET", path, v=36)).status == 404
    assert (await deployment.call("GET", path, user="demo", v=35)).status == 403

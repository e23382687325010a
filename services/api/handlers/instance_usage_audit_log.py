"""The log of usage audits: which hosts have reported their servers for the last whole month.

Hosts of Muster report to nobody but Muster, so none ever has; usage is counted from the servers
themselves, see simple_tenant_usage.py. What can be told is the period and the hosts.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from common.db.stores import os_services
from common.errors import InvalidInput
from services.api.operation import Operation, Reply
from services.api.request import Request


async def index(request: Request) -> Reply:
    log = await _log(request, request.app.clock.utcnow())
    return Reply({"instance_usage_audit_logs": log})


async def show(request: Request) -> Reply:
    return Reply({"instance_usage_audit_log": await _log(request, _moment(request.params["id"]))})


def _moment(text: str) -> dt.datetime:
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            moment = dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
        if moment.year > dt.MINYEAR:  # there must be a month before
            return moment
    raise InvalidInput(f"Invalid timestamp for date {text}")


async def _log(request: Request, before: dt.datetime) -> dict[str, Any]:
    begin, end = last_whole_month(before)
    found = await os_services.find(request.app.pool, binary_name="nova-compute")
    hosts = sorted({service.host for service in found})
    status = f"0 of {len(hosts)} hosts done." if hosts else "ALL hosts done."
    return {
        "period_beginning": _text(begin),
        "period_ending": _text(end),
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(hosts),
        "hosts_not_run": hosts,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"{status} 0 errors.",
        "log": {},
    }


def last_whole_month(before: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Beginning and end of the latest month that was over by then."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if end == before:
        end = _month_before(end)
    return _month_before(end), end


def _month_before(first: dt.datetime) -> dt.datetime:
    return (first - dt.timedelta(days=1)).replace(day=1)


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


_PATH = "/os-instance_usage_audit_log"
_RULE = "os_compute_api:os-instance-usage-audit-log"

OPERATIONS = [
    Operation("GET", _PATH, index, f"{_RULE}:list"),
    Operation("GET", f"{_PATH}/{{id}}", show, f"{_RULE}:show"),
]

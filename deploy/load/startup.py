"""Seconds from `muster up` to the first ACTIVE server, and what the cluster weighs then.

Owns: one throw-away cluster, measured end to end as a person at a terminal would see it.
May not: look inside. Crash story: see throwaway.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

from common.runtime.ports import Clock
from deploy.cli.cloud import Cloud
from deploy.load.throwaway import ThrowAway, throw_away
from deploy.local.home import LocalClusterError

ACTIVE_DEADLINE_S = 60.0
POLL_S = 0.02


def measure(*, processes: bool, hosts: int, again: bool) -> dict[str, Any]:
    """Figures of the first `up` in an empty directory and, when `again`, of the next one there."""
    clock = Clock()
    arguments = ["--hosts", str(hosts), *(["--processes"] if processes else [])]
    found: dict[str, Any] = {}
    with throw_away({}, clock) as cluster:
        for name in ("empty directory", *(["again"] if again else [])):
            began = clock.monotonic()
            up_s = cluster.up(*arguments)
            _boot(cluster, clock)
            found[name] = {
                "mode": "processes" if processes else "one process",
                "hosts": hosts,
                "up_s": round(up_s, 2),
                "first_active_s": round(clock.monotonic() - began, 2),
                **_memory(cluster),
            }
            cluster.down()
    return found


def _boot(cluster: ThrowAway, clock: Clock) -> None:
    """Return when a server is ACTIVE; deletes it again."""
    call = Cloud(cluster.home).call
    flavors = call("compute", "GET", "/flavors")["flavors"]
    image = call("image", "GET", "/v2/images?name=cirros")["images"][0]
    network = call("network", "GET", "/v2.0/networks?name=private")["networks"][0]
    body = {
        "name": "first",
        "flavorRef": next(f["id"] for f in flavors if f["name"] == "m1.tiny"),
        "imageRef": image["id"],
        "networks": [{"uuid": network["id"]}],
    }
    path = f"/servers/{call('compute', 'POST', '/servers', {'server': body})['server']['id']}"
    deadline = clock.monotonic() + ACTIVE_DEADLINE_S
    while (status := call("compute", "GET", path)["server"]["status"]) != "ACTIVE":
        if status != "BUILD" or clock.monotonic() > deadline:
            raise LocalClusterError(f"the first server is {status} and not ACTIVE")
        time.sleep(POLL_S)
    call("compute", "DELETE", path)


def _memory(cluster: ThrowAway) -> dict[str, Any]:
    facts = json.loads(cluster.muster("status", "--json", "--memory"))
    return {
        "pss_mib": facts["pss_mib"],
        "pss_without_broker_mib": facts["pss_without_broker_mib"],
        "services_mib": {
            member["name"]: member["pss_mib"] for member in facts["services"] if "pss_mib" in member
        },
    }

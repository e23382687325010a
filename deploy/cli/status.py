"""`muster status`. Owns: joining what the cluster's control and the Compute API say.

May not: change anything. Crash story: none; a part that does not answer is shown as such.
"""

from __future__ import annotations

from typing import Any

from deploy.cli import terminal
from deploy.cli.cloud import Cloud
from deploy.local import control
from deploy.local.home import Home, LocalClusterError


def gather(home: Home) -> dict[str, Any]:
    """Everything `--json` shows; `api_hosts` is None when the Compute API does not answer."""
    cluster = control.read_cluster(home)
    if cluster is None:
        state = "starting" if control.is_locked(home) else "not running"
        return {"state": state, "home": str(home.path), "services": [], "api_hosts": None}
    members = control.connect(home).members()
    problem = None
    hosts: dict[str, dict[str, str]] | None = None
    try:
        hosts = {
            service["host"]: {"state": service["state"], "status": service["status"]}
            for service in Cloud(home).compute_services()
            if service["binary"] == "nova-compute"
        }
    except LocalClusterError as error:
        problem = str(error)
    healthy = problem is None and all(member["state"] == "running" for member in members)
    return {
        "state": "running" if healthy else "degraded",
        "home": str(home.path),
        **cluster,
        "services": members,
        "api_hosts": hosts,
        "problem": problem,
    }


def status(*, as_json: bool, memory: bool) -> int:
    home = Home.find()
    facts = gather(home)
    if memory:
        _add_memory(facts)
    if as_json:
        terminal.print_json(facts)
    elif not facts["services"]:
        terminal.say(f"The cluster in {home.path} is {facts['state']}.")
        if facts["state"] == "not running":
            terminal.say("Start one with: ./muster up")
    else:
        _show(facts, memory=memory)
    return 0 if facts["state"] == "running" else 1


def _show(facts: dict[str, Any], *, memory: bool) -> None:
    terminal.say(f"Compute API {facts['api_url']}/v2.1   identity {facts['identity_url']}/v3")
    terminal.say(f"{facts['mode']}, pid {facts['pid']}, state in {facts['home']}")
    terminal.say()
    hosts = facts["api_hosts"]
    rows = []
    for member in facts["services"]:
        host = (hosts or {}).get(member["name"], {})
        row = [member["name"], member["state"], host.get("state", ""), host.get("status", "")]
        if memory:
            row.append(f"{member['pss_mib']:7.1f}" if "pss_mib" in member else "")
        rows.append(row)
    terminal.table(
        ["service", "process", "compute API", "enabled", *(["PSS MiB"] if memory else [])], rows
    )
    if memory:
        terminal.say(
            f"\nMemory: {facts['pss_mib']:.1f} MiB PSS; without the broker "
            f"{facts['pss_without_broker_mib']:.1f} MiB"
        )
    if facts["problem"]:
        terminal.warn(f"The Compute API does not answer: {facts['problem']}")


def _add_memory(facts: dict[str, Any]) -> None:
    """PSS of each member's process tree; the supervisor, or the one process, is the rest."""
    from deploy.local.memory import pss_mib, tree_pss_mib

    if "pid" not in facts:
        return
    own = facts["mode"] == "processes"
    total = tree_pss_mib(facts["pid"]) if not own else pss_mib(facts["pid"])
    broker = 0.0
    for member in facts["services"] if own else []:
        member["pss_mib"] = round(tree_pss_mib(member["pid"]), 1) if member["pid"] else 0.0
        total += member["pss_mib"]
        broker += member["pss_mib"] if member["name"] == "rabbitmq" else 0.0
    facts["pss_mib"] = round(total, 1)
    facts["pss_without_broker_mib"] = round(total - broker, 1)

"""`muster fault`: make verbs of simulated hosts go wrong while the cluster runs.

Owns: the options and how rules are shown. May not: match rules; the hosts do.
Crash story: rules live in the hosts' processes and die with them.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from deploy.cli import terminal
from deploy.local import control
from deploy.local.home import Home, LocalClusterError

app = App(name="fault", help="Make verbs of hosts go wrong, and see how often they did.")

Hosts = Annotated[
    tuple[str, ...], Parameter(name="--host", help="Only this host; may be repeated (all).")
]
Json = Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")]
Effect = Literal[
    "error",
    "delay",
    "hang",
    "done_but_reported_failed",
    "reported_done_but_lost",
    "lost_reply",
    "duplicate_reply",
]


@app.command
def add(
    effect: Effect,
    *,
    host: Hosts = (),
    verb: Annotated[str | None, Parameter(help="Only this verb, such as spawn (every).")] = None,
    server: Annotated[str | None, Parameter(help="Only for this server's id (any).")] = None,
    count: Annotated[int | None, Parameter(help="Only so often, on each host (always).")] = None,
    probability: Annotated[float, Parameter(help="How likely it is each time.")] = 1.0,
    seconds: Annotated[
        float | None, Parameter(name="--for", help="Only for so many seconds from now.")
    ] = None,
    delay: Annotated[float, Parameter(help="Seconds to wait before the effect.")] = 0.0,
    message: Annotated[str | None, Parameter(help="What a failing verb says.")] = None,
    as_json: Json = False,
) -> int:
    """Add a rule to each host. Rules are tried oldest first; the first that fits has its effect.

    error: nothing is done. delay: takes longer. hang: waits until the rule is cleared.
    done_but_reported_failed, reported_done_but_lost: the host lies. lost_reply, duplicate_reply:
    the answer is lost or comes twice.
    """
    rule: dict[str, Any] = {
        "effect": effect,
        "verb": verb,
        "server": server,
        "count": count,
        "probability": probability,
        "delay_s": delay,
    }
    if message is not None:
        rule["message"] = message
    if seconds is not None:
        rule["until"] = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()
    return _ask("add", host, as_json=as_json, rule=rule)


@app.command(name="list")
def list_(*, host: Hosts = (), as_json: Json = False) -> int:
    """Show the rules and how often each has had its effect."""
    return _ask("list", host, as_json=as_json)


@app.command
def clear(
    rule: Annotated[str | None, Parameter(help="Id of a rule (all).")] = None,
    *,
    host: Hosts = (),
    as_json: Json = False,
) -> int:
    """Drop one rule, or all; verbs that hang in it go on. Shows what was dropped."""
    return _ask("clear", host, as_json=as_json, rule_id=rule)


def _ask(action: str, hosts: tuple[str, ...], *, as_json: bool, **fields: Any) -> int:
    from common.messages.faults import FaultRules, FaultRulesAnswer

    cluster = control.connect(Home.find())
    chosen = _running(cluster, hosts)
    question = FaultRules(action=action, **fields)
    rules: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for name, answer in cluster.ask(dict.fromkeys(chosen, question)).items():
        assert isinstance(answer, FaultRulesAnswer), answer
        if answer.error is not None:
            errors[name] = answer.error.message
        rules += [{**found.rule, "fired": found.fired} for found in answer.rules]
    # A rule is one host's: to clear it the others are asked in vain.
    if errors and not (action == "clear" and rules):
        raise LocalClusterError("; ".join(sorted(set(errors.values()))))
    if as_json:
        terminal.print_json(rules)
    else:
        _show(rules)
    return 0


def _running(cluster: control.Control, wanted: tuple[str, ...]) -> list[str]:
    """The hosts to ask: those wanted, which must run, or all that run. A command left in the queue
    of a dead host would come into force when nobody expects it any more."""
    states = {m["name"]: m["state"] for m in cluster.members() if m["kind"] == "compute"}
    for name in wanted:
        if name not in states:
            raise LocalClusterError(f"there is no host {name!r}; there are: {', '.join(states)}")
        if states[name] != "running":
            raise LocalClusterError(f"{name} is {states[name]}; rules can be set while it runs")
    chosen = list(wanted) or [name for name, state in states.items() if state == "running"]
    if not chosen:
        raise LocalClusterError("no host runs")
    return chosen


def _show(rules: list[dict[str, Any]]) -> None:
    if not rules:
        terminal.say("No fault rules.")
        return
    fields = ["id", "effect", "host", "verb", "server", "count", "probability", "until", "delay_s"]
    rows = [
        ["any" if rule[field] is None else rule[field] for field in fields] + [rule["fired"]]
        for rule in rules
    ]
    terminal.table([*fields, "fired"], rows)

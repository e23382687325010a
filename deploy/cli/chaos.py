"""`muster chaos`: break a throw-away cluster on purpose and judge what is left.

Owns: the options and how the verdict is shown. May not: break anything; deploy/chaos does.
Crash story: an interrupted run stops and removes its cluster.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from cyclopts import App, Parameter

from deploy.chaos.storm.tally import QUESTIONS
from deploy.cli import terminal
from deploy.load import figures
from deploy.local.home import LocalClusterError

app = App(name="chaos", help="Break a throw-away cluster on purpose.")

Json = Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")]
Keep = Annotated[bool, Parameter(help="Leave the stopped cluster's files.", negative="")]


def _quiet(_text: str) -> None:
    return


@app.command(name="kill-each")
def kill_each(
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="Servers to boot.")] = 300,
    concurrency: Annotated[
        int, Parameter(name=["--concurrency", "-c"], help="Servers on their way at any moment.")
    ] = 20,
    restart_after: Annotated[float, Parameter(help="Seconds a killed service stays dead.")] = 1.5,
    freeze: Annotated[
        bool, Parameter(help="Freeze and thaw them instead (SIGSTOP, SIGCONT).", negative="")
    ] = False,
    victims: Annotated[
        tuple[str, ...], Parameter(name="--victim", help="Kill these, in this order.")
    ] = (),
    keep: Keep = False,
    as_json: Json = False,
) -> int:
    """Kill api, a conductor, a scheduler, a host and the broker under load. 0 only if all is well.

    Half of the servers are deleted, half of those while they build. Within 30 s of the last kill
    each must be ACTIVE, in ERROR with a reason, or gone, and nothing lost, doubled or left over.
    """
    from deploy.chaos import kill_each as run

    if not (1 <= count <= 5000 and 1 <= concurrency <= 200 and 0 <= restart_after <= 60):
        raise LocalClusterError(
            "use --count 1..5000, --concurrency 1..200, --restart-after 0..60 s"
        )
    options = run.Options(
        count=count,
        concurrency=concurrency,
        restart_after_s=restart_after,
        freeze=freeze,
        victims=victims or run.VICTIMS,
        keep=keep,
    )
    result = run.kill_each(options, _quiet if as_json else terminal.say)
    if as_json:
        terminal.print_json(result)
    else:
        _show_kills(result)
    return _verdict(result, quiet=as_json)


def _show_kills(result: dict[str, Any]) -> None:
    say = terminal.say
    columns = ["killed", "at s", "restarted at s", "in flight", "workflows"]
    terminal.table(columns, [list(kill.values()) for kill in result["kills"]])
    say()
    say(f"  booted     {result['booted']} in {result['load_s']} s of load")
    say(f"  attached   {figures.counts(result['attached'])}")
    say(f"  now        {figures.counts(result['statuses'])}; {result['guests']} guests")
    say(
        f"  gone       {result['gone']} of {result['delete_asked']} deletes asked for; "
        f"{result['delete_failed']} ended in ERROR"
    )
    say(f"  errors     {figures.counts(result['errors'])}")
    say(f"  refused    {figures.counts(result['refused'])}")
    say(f"  retried    {figures.counts(result['retried'])}; {result['failed_polls']} polls")
    say(f"  at rest    {result['settled_s']} s after the last kill")


@app.command
def freeze(
    *,
    servers: Annotated[int, Parameter(help="Servers on the host.")] = 10,
    kill: Annotated[
        bool, Parameter(help="kill -9 and restart it instead of freezing it.", negative="")
    ] = False,
    keep: Keep = False,
    as_json: Json = False,
) -> int:
    """Freeze a host, evacuate its servers, thaw it: no server may run twice. 0 if all is well."""
    from deploy.chaos import freeze as run

    if not 1 <= servers <= 500:
        raise LocalClusterError("use --servers 1..500")
    options = run.Options(servers=servers, kill=kill, keep=keep)
    result = run.freeze(options, _quiet if as_json else terminal.say)
    if as_json:
        terminal.print_json(result)
    return _verdict(result, quiet=as_json)


@app.command
def cut(
    *,
    servers: Annotated[int, Parameter(help="Servers that the host is building.")] = 4,
    stay: Annotated[
        float, Parameter(help="Seconds it stays cut off when all have been built elsewhere.")
    ] = 4.0,
    reset: Annotated[
        bool,
        Parameter(help="End it with broken connections, not with late messages.", negative=""),
    ] = False,
    compose: Annotated[
        bool, Parameter(help="In containers: docker network disconnect.", negative="")
    ] = False,
    keep: Keep = False,
    as_json: Json = False,
) -> int:
    """Cut a host off the network while it builds: no server may run twice. 0 if all is well.

    The host runs on, unseen and out of reach, until its servers have been built elsewhere.
    """
    from deploy.chaos import cut as run

    if not (1 <= servers <= 100 and 0 <= stay <= 120):
        raise LocalClusterError("use --servers 1..100, --stay 0..120 s")
    options = run.Options(servers=servers, stay_s=stay, reset=reset, keep=keep)
    say = _quiet if as_json else terminal.say
    if compose:
        from deploy.chaos import compose as containers

        result = containers.cut_container(replace(options, timers=containers.SLOW), say)
    else:
        result = run.cut(options, say)
    if as_json:
        terminal.print_json(result)
    return _verdict(result, quiet=as_json)


@app.command
def storm(
    *,
    seeds: Annotated[int, Parameter(help="Seeds 1 to this.")] = 20,
    seed: Annotated[
        tuple[int, ...], Parameter(name="--seed", help="Only this one; may be repeated.")
    ] = (),
    servers: Annotated[int, Parameter(help="Servers of each seed.")] = 14,
    keep: Keep = False,
    as_json: Json = False,
) -> int:
    """Build, move, evacuate and delete while hosts and conductors are killed and cut off.

    0 if nothing is stuck, lost, running twice or leaked. A seed takes half a minute to a minute,
    three at most.
    """
    from deploy.chaos.storm import run

    if not (1 <= seeds <= 1000 and 1 <= servers <= 100):
        raise LocalClusterError("use --seeds 1..1000, --servers 1..100")
    chosen = seed or tuple(range(1, seeds + 1))
    options = run.Options(seeds=chosen, servers=servers, keep=keep)
    result = run.storm(options, _quiet if as_json else terminal.say)
    if as_json:
        terminal.print_json(result)
    else:
        _show_storm(result["total"])
        if not result["wrong"]:
            terminal.say("[bold green]All is well.[/]")
    return 1 if result["wrong"] else 0


def _show_storm(total: dict[str, Any]) -> None:
    say = terminal.say
    say()
    operations = [f"{kind} {done}/{asked}" for kind, (done, asked) in total["operations"].items()]
    say(f"  done/asked  {', '.join(operations)}")
    say(f"  refused     {figures.counts(total['refused'])}")
    say(f"  faults      {figures.counts(total['faults'])}; {total['missed']} missed")
    say(f"  errors      {figures.counts(total['errors'])}")
    verdict = "  ".join(f"{name} {total[name]}" for name in QUESTIONS)
    say(f"  verdict     {verdict}")


def _verdict(result: dict[str, Any], *, quiet: bool) -> int:
    if not quiet:
        for line in result["wrong"]:
            terminal.warn(f"WRONG  {line}")
        if not result["wrong"]:
            terminal.say("[bold green]All is well.[/]")
    return 1 if result["wrong"] else 0

"""`muster bench`: load and timing of a local cluster, printed for people or as JSON.

Owns: the options and how figures are shown. May not: measure; deploy/load does.
Crash story: an interrupted run deletes what it made.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from deploy.cli import terminal
from deploy.load import figures
from deploy.local.home import Home, LocalClusterError

app = App(name="bench", help="Measure a local cluster.")

Json = Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")]


@app.command
def boots(
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="Servers to boot.")] = 150,
    concurrency: Annotated[
        int, Parameter(name=["--concurrency", "-c"], help="Servers on their way at any moment.")
    ] = 20,
    network: Annotated[
        Literal["none", "private"], Parameter(help="Give each a port, or none.")
    ] = "private",
    flavor: Annotated[str, Parameter(help="Name or id.")] = "m1.tiny",
    time_limit: Annotated[float, Parameter(help="Stop booting after so many seconds.")] = 120.0,
    poll_interval: Annotated[
        float, Parameter(help="Seconds between two looks at who is still in BUILD.")
    ] = 0.05,
    runs: Annotated[int, Parameter(help="Repeat, because one measurement is none.")] = 1,
    other_machines: Annotated[
        bool, Parameter(help="Allow a cluster that is not on this machine.", negative="")
    ] = False,
    as_json: Json = False,
) -> int:
    """Boot servers as fast as a number of patient users would, then delete them.

    Uses the admin project of the cluster in $MUSTER_HOME and raises its quota meanwhile.
    """
    from deploy.load.boots import Options, measure
    from deploy.load.client import Client
    from deploy.load.cpu import cluster_cpu_s

    if not (1 <= count <= 20_000 and 1 <= concurrency <= 500 and 1 <= runs <= 100):
        raise LocalClusterError("use --count 1..20000, --concurrency 1..500, --runs 1..100")
    if time_limit <= 0 or poll_interval <= 0:
        raise LocalClusterError("--time-limit and --poll-interval must be more than 0 s")
    options = Options(
        count=count,
        concurrency=concurrency,
        network=network,
        flavor=flavor,
        time_limit_s=time_limit,
        poll_interval_s=poll_interval,
    )

    home = Home.find()

    async def run() -> list[dict[str, Any]]:
        found = []
        async with Client(
            home, connections=concurrency + 5, other_machines=other_machines
        ) as client:
            for _ in range(runs):
                found.append(await measure(client, options, lambda: cluster_cpu_s(home)))
                if not as_json:
                    _show_boots(found[-1])
        return found

    found = asyncio.run(run())
    if as_json:
        terminal.print_json(found)
    elif runs > 1:
        rates = sorted(result["boots_per_s"] for result in found)
        terminal.say(f"Boots/s of {runs} runs: {', '.join(map(str, rates))}")
    return 0 if all(result["active"] == count and not result["errors"] for result in found) else 1


def _show_boots(result: dict[str, Any]) -> None:
    say = terminal.say
    say(
        f"[bold]{result['boots_per_s']} boots/s[/]  {result['active']} of {result['asked']} ACTIVE "
        f"in {result['elapsed_s']} s, {result['concurrency']} at a time, "
        f"network {result['network']}"
    )
    say(f"  POST            {figures.line(result['post_ms'])}")
    say(f"  POST to ACTIVE  {figures.line(result['post_to_active_ms'])}")
    say(f"  deletes         {result['deletes_per_s']}/s, {result['deleted']} deleted")
    say(f"  DELETE          {figures.line(result['delete_ms'])}")
    cpu = result["cpu_ms_per_boot"]
    if cpu:
        shown = ", ".join(f"{name} {ms:.1f}" for name, ms in cpu.items())
        say(f"  CPU per boot    {sum(cpu.values()):.1f} ms: {shown}")
    say(f"  errors          {figures.counts(result['errors'])}")


@app.command
def startup(
    *,
    processes: Annotated[
        bool, Parameter(help="Each service in a process of its own.", negative="")
    ] = False,
    hosts: Annotated[int, Parameter(help="Number of simulated hosts.")] = 3,
    again: Annotated[
        bool, Parameter(help="Also measure the second `up`, with the data of the first.")
    ] = True,
    as_json: Json = False,
) -> int:
    """Time `muster up` to the first ACTIVE server on a throw-away cluster, and weigh it."""
    from deploy.load.startup import measure

    found = measure(processes=processes, hosts=hosts, again=again)
    if as_json:
        terminal.print_json(found)
        return 0
    for name, result in found.items():
        terminal.say(
            f"[bold]{name}[/]: up after {result['up_s']} s, first server ACTIVE after "
            f"{result['first_active_s']} s; PSS {result['pss_mib']} MiB, without the broker "
            f"{result['pss_without_broker_mib']} MiB"
        )
        rows = [[name, mib] for name, mib in result["services_mib"].items()]
        if rows:
            terminal.table(["service", "PSS MiB"], rows)
    return 0


@app.command
def hosts(
    *,
    hosts: Annotated[int, Parameter(help="Simulated hosts.")] = 10_000,
    processes: Annotated[int, Parameter(help="Agents that share them.")] = 4,
    conductors: Annotated[int, Parameter(help="Conductors that hear them.")] = 2,
    minutes: Annotated[float, Parameter(help="How long to watch.")] = 10.0,
    report_interval: Annotated[float, Parameter(help="Seconds between two heartbeats.")] = 10.0,
    as_json: Json = False,
) -> int:
    """Let many hosts beat on a throw-away cluster, and see what it costs and what is shown.

    Exit code 1 when a host, all of which are alive, was ever shown as anything else.
    """
    from deploy.load.hosts import Options, measure

    if not (1 <= hosts <= 50_000 and 1 <= processes <= 64 and 1 <= conductors <= 16):
        raise LocalClusterError("use --hosts 1..50000, --processes 1..64, --conductors 1..16")
    if not (0 < minutes <= 24 * 60 and 0 < report_interval <= 3600):
        raise LocalClusterError("use --minutes 0..1440, --report-interval 0..3600")
    found = measure(
        Options(
            hosts=hosts,
            processes=min(processes, hosts),
            conductors=conductors,
            minutes=minutes,
            report_interval_s=report_interval,
            down_time_s=6 * report_interval,
        )
    )
    if as_json:
        terminal.print_json(found)
    else:
        _show_hosts(found)
    return 1 if found["looks"]["wrong"] or found["looks"]["failed"] else 0


def _show_hosts(found: dict[str, Any]) -> None:
    looks = found["looks"]
    terminal.say(
        f"[bold]{found['hosts']} hosts[/] of {found['agents']} agents beating every "
        f"{found['report_interval_s']:g} s, watched for {found['watched_s']} s; "
        f"all up after {found['up_s']} s"
    )
    names = list(found["cpu_percent"])
    terminal.table(
        ["", "CPU % of a core", "PSS MiB"],
        [[n, found["cpu_percent"][n], found["memory_mib"].get(n, "")] for n in names],
    )
    terminal.say(
        f"  database   {found['commits_per_s']} commits/s, {found['transactions_per_s']} "
        f"transactions/s, {found['wal_kib_per_s']} KiB/s of log"
    )
    for table, rate in found["updates_per_s"].items():
        hot = found["hot_percent"].get(table, "-")
        terminal.say(f"  {table:10} {rate} updates/s, {hot} % HOT")
    terminal.say(
        f"  looks      {looks['database']} in the database, {looks['api']} through the API "
        f"({figures.line(looks['api_ms'])}); a host not shown as alive: {looks['wrong']}"
    )
    for what in ("hosts_wrong", "failed"):
        if looks[what]:
            terminal.say(f"  {what:10} {figures.counts(looks[what])}")

"""Every command of `./muster`, its options and its help.

Owns: the command line's words. Each command imports what it does when it is called, so that
`--help` and `status` are quick.
May not: do the work. Exit codes: 0 done, 1 could not be done, 2 not understood, 130 interrupted.
Crash story: none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from deploy.cli import terminal
from deploy.local.home import ROOT, Home, LocalClusterError, UsageError
from deploy.local.plan import Options

app = App(
    name="muster",
    help="Muster: a compute control plane that speaks the OpenStack Compute API.",
    version=lambda: version_text(),  # noqa: PLW0108 - defined below
    version_flags=["--version"],
    usage="Usage: ./muster COMMAND [OPTIONS]   (./muster COMMAND --help tells more)",
)


def version_text() -> str:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


@app.command(sort_key=1)
def up(
    *,
    hosts: Annotated[int, Parameter(help="Number of simulated compute hosts.")] = 3,
    processes: Annotated[
        bool, Parameter(help="Each service in a process of its own, over RabbitMQ.", negative="")
    ] = False,
    conductors: Annotated[
        int | None, Parameter(help="Number of conductors (default 1, with --processes 2).")
    ] = None,
    schedulers: Annotated[int, Parameter(help="Number of schedulers.")] = 1,
    foreground: Annotated[
        bool, Parameter(help="Stay in the terminal; Ctrl-C stops the cluster.", negative="")
    ] = False,
    listen: Annotated[
        str | None, Parameter(help="Address of the HTTP services (default 127.0.0.1).")
    ] = None,
    port: Annotated[
        int | None, Parameter(help="Port of the Compute API (default 8774, 0: a free one).")
    ] = None,
    identity_port: Annotated[
        int | None, Parameter(help="Port of the stand-ins (default 5000, 0: a free one).")
    ] = None,
    console_port: Annotated[
        int | None, Parameter(help="Port of the console proxy (default 6080, 0: a free one).")
    ] = None,
    metadata_port: Annotated[
        int | None, Parameter(help="Port of the metadata service (default 8775, 0: a free one).")
    ] = None,
    broker_url: Annotated[
        str | None, Parameter(help="Use this RabbitMQ instead of a private one.")
    ] = None,
    database_url: Annotated[
        str | None, Parameter(help="Use this PostgreSQL instead of an embedded one.")
    ] = None,
    spawn_delay: Annotated[
        float | None, Parameter(help="Mean seconds a simulated guest takes to start.")
    ] = None,
    agents: Annotated[
        int | None,
        Parameter(help="With --processes: processes that the hosts share (default: one each)."),
    ] = None,
    cuttable: Annotated[
        bool, Parameter(help="With --processes: services can be cut off (cut, mend).", negative="")
    ] = False,
) -> int:
    """Start a local cluster in the background and return when it is ready.

    Without --processes everything runs in one process and nothing needs to be installed.
    State is kept in $MUSTER_HOME (default: .muster here) and comes back with the next `up`.
    """
    if hosts < 0 or (spawn_delay is not None and spawn_delay < 0):
        raise UsageError("--hosts and --spawn-delay cannot be negative")
    if conductors is None:
        conductors = 2 if processes else 1
    if conductors < 1 or schedulers < 1:
        raise UsageError("a cluster needs at least one conductor and one scheduler")
    if broker_url and not processes:
        raise UsageError("--broker-url needs --processes: one process uses no broker")
    if agents is not None and (not processes or agents < 1):
        raise UsageError("--agents needs --processes and at least one agent")
    if cuttable and not processes:
        raise UsageError("--cuttable needs --processes: one process has no network")
    from deploy.cli.up import up as start

    options = Options(
        hosts=hosts,
        conductors=conductors,
        schedulers=schedulers,
        processes=processes,
        listen=listen,
        port=port,
        identity_port=identity_port,
        console_port=console_port,
        metadata_port=metadata_port,
        broker_url=broker_url,
        database_url=database_url,
        spawn_delay_s=spawn_delay,
        agents=agents,
        cuttable=cuttable,
    )
    return start(options, foreground=foreground)


@app.command(sort_key=2)
def down(
    *,
    purge: Annotated[
        bool, Parameter(help="Also remove its data: servers, users, logs.", negative="")
    ] = False,
) -> int:
    """Stop the cluster in order. Harmless when none runs."""
    from deploy.cli.up import down as stop

    return stop(purge=purge)


@app.command(sort_key=3)
def status(
    *,
    as_json: Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")] = False,
    memory: Annotated[
        bool, Parameter(help="Memory of each process (PSS, Linux).", negative="")
    ] = False,
) -> int:
    """Show services and hosts. Exit code 1 when no cluster runs or something in it does not."""
    from deploy.cli.status import status as show

    return show(as_json=as_json, memory=memory)


@app.command(sort_key=4)
def demo() -> int:
    """Show what Muster does, in a minute: servers, a dying host, host_status, evacuation."""
    from deploy.cli.demo import demo as play

    return play()


def _act(action: str, names: tuple[str, ...]) -> int:
    from deploy.local import control

    if not names:
        raise UsageError(f"name a service or host: ./muster {action} compute-1")
    cluster = control.connect(Home.find())
    for name in names:
        terminal.say(f"{name}: {cluster.act(action, name)}")
    return 0


@app.command(sort_key=10)
def kill(*names: str) -> int:
    """Kill services or hosts at once, as a power cut or `kill -9` does."""
    return _act("kill", names)


@app.command(sort_key=11)
def stop(*names: str) -> int:
    """Stop services or hosts in order: they finish, say goodbye, end."""
    return _act("stop", names)


@app.command(sort_key=12)
def start(*names: str) -> int:
    """Start what was stopped or killed; a host comes back with its guests."""
    return _act("start", names)


@app.command(sort_key=13)
def freeze(*names: str) -> int:
    """Freeze hosts (with --processes any service): alive but silent, as under SIGSTOP."""
    return _act("freeze", names)


@app.command(sort_key=14)
def thaw(*names: str) -> int:
    """Let frozen ones go on."""
    return _act("thaw", names)


@app.command(sort_key=15)
def cut(*names: str) -> int:
    """Cut services or hosts off the network (up --processes --cuttable): they run on unheard."""
    return _act("cut", names)


@app.command(sort_key=16)
def mend(*names: str) -> int:
    """Let cut off ones hear and be heard again; what was held back arrives late."""
    return _act("mend", names)


@app.command(sort_key=20)
def logs(
    name: Annotated[str | None, Parameter(help="Only this service.")] = None,
    *,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], help="Go on as lines come.", negative="")
    ] = False,
    lines: Annotated[int, Parameter(name=["--lines", "-n"], help="Lines from the end.")] = 50,
) -> int:
    """Show the cluster's log."""
    from deploy.cli.logs import logs as show

    return show(name, follow=follow, lines=lines)


@app.command(sort_key=21, help_flags=[], version_flags=[])
def openstack(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True)],
) -> int:
    """Run the unmodified `openstack` client against the cluster (OS_CLOUD=admin or demo)."""
    # The launcher catches this command before Python starts; here it only has its help text.
    return subprocess.call([str(ROOT / "muster"), "openstack", *arguments])


@app.command(sort_key=30, help_flags=[], version_flags=[])
def test(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Run the tests; arguments go to pytest."""
    from deploy.cli.checks import test as run

    return run(arguments)


@app.command(sort_key=31)
def lint() -> int:
    """Run the linter, the type checker and the check of the layers."""
    from deploy.cli.checks import lint as run

    return run()


app.command(
    "deploy.cli.bench:app",
    name="bench",
    help="Measure a cluster: boots, startup, hosts.",
    sort_key=32,
)
app.command(
    "deploy.cli.chaos:app", name="chaos", help="Break a throw-away cluster on purpose.", sort_key=33
)


@app.command(sort_key=34)
def fuzz(
    *,
    requests: Annotated[int, Parameter(help="At least this many in all.")] = 20_000,
    seed: Annotated[int | None, Parameter(help="Makes up the same requests again.")] = None,
    report: Annotated[Path | None, Parameter(help="Directory for the full reports.")] = None,
    bodies: Annotated[
        bool, Parameter(help="Instead: how long hostile bodies take to judge.", negative="")
    ] = False,
) -> int:
    """Send made-up requests for every operation to a throw-away cluster; no 500 may come back."""
    from deploy.cli import fuzz as runs

    return runs.bodies() if bodies else runs.fuzz(requests, seed, report)


app.command("deploy.cli.fault:app", name="fault", help="Make verbs of hosts go wrong.", sort_key=17)

app.command(
    "deploy.cli.api:app", name="api", help="What the Compute API offers, as declared.", sort_key=42
)
app.command("deploy.cli.db:app", name="db", help="The database's schema and age.", sort_key=40)

config = App(name="config", help="Settings (MUSTER_CONFIG and MUSTER_* variables).", sort_key=41)
app.command(config)


@config.command
def show(
    *,
    form: Annotated[Literal["toml", "json"], Parameter(name="--format", help="How.")] = "toml",
) -> int:
    """Show every setting as it is now, without secrets."""
    from common.config.loading import load_or_exit
    from common.config.urls import without_password

    tree = load_or_exit("muster").model_dump(mode="json")
    for section in ("database", "bus"):
        tree[section]["url"] = without_password(tree[section]["url"])
    if form == "json":
        terminal.print_json(tree)
    else:
        from deploy.local.toml import dump

        sys.stdout.write(dump(tree))
    return 0


@app.command(sort_key=50)
def version(
    *,
    as_json: Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")] = False,
) -> int:
    """Show Muster's version, its schema's and Python's."""
    from common.db.version import SCHEMA_VERSION

    facts = {
        "muster": version_text(),
        "schema": SCHEMA_VERSION,
        "python": sys.version.split()[0],
    }
    if as_json:
        terminal.print_json(facts)
    else:
        terminal.say("  ".join(f"{name} {value}" for name, value in facts.items()))
    return 0


def run(arguments: list[str]) -> int:
    """The exit code of one command line; problems are told in one line."""
    try:
        result = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except (CycloptsError, UsageError) as error:
        terminal.complain(f"{error} (see ./muster --help)")
        return 2
    except LocalClusterError as error:
        terminal.complain(str(error))
        return 1
    except ValueError as error:
        from pydantic import ValidationError  # wrong settings, and only then loaded

        from common.config.loading import explain

        if not isinstance(error, ValidationError):
            raise
        for line in explain(error):
            terminal.complain(line)
        return 2
    except BrokenPipeError:
        return 0  # whoever read our output has seen enough
    except OSError as error:
        terminal.complain(_explain(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return int(result or 0)


def _explain(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f": {error.filename}" if error.filename else ""
    if error.errno == 28:
        return f"the disk is full{where}; free some space, or set MUSTER_HOME to another disk"
    return f"{reason}{where}"


def main() -> None:
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)

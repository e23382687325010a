"""`muster up` and `muster down`: a cluster in the background, ready when the command returns.

Owns: starting the background process, waiting for its services and hosts, what is printed then.
May not: hold anything that the cluster needs; it lives on without this process.
Crash story: an interrupted `up` stops what it started; the next one begins afresh.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import IO

from common.config.exposure import is_loopback
from deploy.cli import terminal
from deploy.cli.cloud import Cloud, CloudError
from deploy.local import control, orphans
from deploy.local.home import ROOT, Home, LocalClusterError, UsageError
from deploy.local.plan import Options

HOSTS_DEADLINE_S = 60.0
MORE_PER_HOST_S = 0.05
DOWN_DEADLINE_S = 40.0
MOST_NAMED = 20
LOG_LIMIT_BYTES = 50 * 1024 * 1024


def up(options: Options, *, foreground: bool, quiet: bool = False) -> int:
    """Start the cluster unless one runs already (that is success: the wish is fulfilled).
    `quiet`: nothing is said when it is up."""
    home = Home.find()
    home.prepare()
    running = control.read_cluster(home)
    if running is not None:
        return _already_running(home, running, options)
    lock = _lock(home)
    try:
        orphans.end_orphans(home)
        if options.processes:
            return _processes(options, home, lock, foreground=foreground)
        if foreground:
            return _foreground(options, home)
        with terminal.steps("Starting Muster") as progress:
            process = _spawn(options, home, lock, progress)
            try:
                wait_for_hosts(home, progress, options.hosts)
            except BaseException:
                _end_process(process)
                raise
            elapsed_s = progress.elapsed_s
    finally:
        os.close(lock)
    if not quiet:
        announce(home, elapsed_s)
    return 0


def _already_running(home: Home, running: dict[str, object], options: Options) -> int:
    wanted = "processes" if options.processes else "one process"
    if running["mode"] != wanted:
        raise LocalClusterError(
            f"a cluster of another kind ({running['mode']}) runs in {home.path}; "
            "end it with ./muster down, or set MUSTER_HOME for a second one"
        )
    terminal.say(f"Muster is running already in {home.path} (see: ./muster status)")
    return 0


def _lock(home: Home) -> int:
    from deploy.local.embedded import take_lock

    try:
        return take_lock(home)
    except BlockingIOError as error:
        raise LocalClusterError(
            f"another `muster up` is starting a cluster in {home.path}; wait for it"
        ) from error


def open_log(home: Home) -> IO[bytes]:
    """The cluster's log, begun anew (one old one kept) when it has grown large."""
    path = home.logs / "muster.log"
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def environment(home: Home) -> dict[str, str]:
    """For every process of the cluster; MUSTER_CLUSTER marks them for `orphans`."""
    return {
        **os.environ,
        "MUSTER_HOME": str(home.path),
        orphans.MARK: str(home.path),
        "PYTHONPATH": str(ROOT),
    }


def _foreground(options: Options, home: Home) -> int:
    os.environ.update(environment(home))
    os.environ.setdefault("MUSTER_LOG__FORMAT", "console")
    sys.argv = ["muster", options.to_json(), str(os.dup(2))]
    from deploy.local import embedded

    return embedded.main()


def _spawn(
    options: Options, home: Home, lock: int, progress: terminal.Steps
) -> subprocess.Popen[bytes]:
    """The background process, once it says that it is ready."""
    reading, writing = os.pipe()
    with open_log(home) as log, os.fdopen(reading) as stages:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.embedded", options.to_json(), str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=environment(home),
            pass_fds=(writing, lock),
            start_new_session=True,
        )
        os.close(writing)
        stage = ""
        try:
            for line in stages:
                stage = line.strip()
                if stage.startswith("usage "):
                    raise UsageError(stage.removeprefix("usage "))
                if stage.startswith("error "):
                    raise LocalClusterError(stage.removeprefix("error "))
                progress.step(stage)
        except BaseException:
            _end_process(process)
            raise
        if stage != "ready":
            raise LocalClusterError(
                f"the cluster ended with code {process.wait()} while starting "
                f"({stage or 'begin'}); the reason is in the log: ./muster logs"
            )
    return process


def _end_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(DOWN_DEADLINE_S)


def _processes(options: Options, home: Home, lock: int, *, foreground: bool) -> int:
    from deploy.local.plan import make_plan
    from deploy.local.processes import ProcessCluster

    with terminal.steps("Starting Muster") as progress:
        cluster = ProcessCluster(make_plan(options, home), options)
        cluster.write()
        try:
            cluster.start(lock, progress.step)
            wait_for_hosts(home, progress, options.hosts)
        except BaseException:
            progress.step("failed; ending what was started")
            cluster.stop()
            raise
        elapsed_s = progress.elapsed_s
    announce(home, elapsed_s)
    if not foreground:
        return 0
    try:
        return cluster.wait()
    except KeyboardInterrupt:
        control.connect(home).down()
        return cluster.wait()


def wait_for_hosts(home: Home, progress: terminal.Steps, hosts: int) -> None:
    """Return when the Compute API reports every host as up."""
    cloud = Cloud(home)
    deadline_s = HOSTS_DEADLINE_S + hosts * MORE_PER_HOST_S
    began = time.monotonic()
    found: set[str] = set()
    problem = ""
    while (asked := time.monotonic()) < began + deadline_s:
        try:
            found = cloud.hosts_up()
        except CloudError as error:
            problem = str(error)
        if len(found) >= hosts:
            return
        progress.step(f"{len(found)} of {hosts} hosts up" if found else "waiting for hosts")
        time.sleep(max(0.05, 3 * (time.monotonic() - asked)))  # a long list costs who makes it
    raise LocalClusterError(
        f"only {len(found)} of {hosts} hosts came up in {deadline_s:.0f} s; "
        f"{problem or 'the reason is in the log'}: ./muster logs"
    )


def announce(home: Home, elapsed_s: float) -> None:
    """What a person needs to know now."""
    cluster = control.read_cluster(home) or {}
    clouds = json.loads(home.clouds_file.read_text())["clouds"]
    say = terminal.say
    names = cluster.get("hosts", [])
    hosts = ", ".join(names if len(names) <= MOST_NAMED else [names[0], "...", names[-1]])
    say(f"[bold green]Muster is up[/] after {elapsed_s:.1f} s, with hosts {hosts}.")
    say()
    say(f"  Compute API   {cluster['api_url']}/v2.1")
    say(f"  Identity      {cluster['identity_url']}/v3")
    say(f"  Consoles      {cluster['console_url']}")
    say(f"  Metadata      {cluster['metadata_url']} (X-Forwarded-For: a guest's address)")
    for user in ("admin", "demo"):
        auth = clouds[user]["auth"]
        shown = "in clouds.yaml" if cluster["passwords_generated"] else auth["password"]
        say(f"  {'User' if user == 'admin' else '':13} {user} (password {shown}, project {user})")
    say(f"  Credentials   export OS_CLIENT_CONFIG_FILE={home.clouds_file} OS_CLOUD=demo")
    say()
    say("Next:")
    say("  ./muster openstack server create --flavor m1.tiny --image cirros \\")
    say("      --network private --wait first")
    say("  ./muster openstack server list --long")
    say("  ./muster kill compute-1     and see host_status; ./muster start compute-1")
    say("  ./muster down")
    listen = cluster["api_url"].split("://", 1)[1].rsplit(":", 1)[0].strip("[]")
    if not is_loopback(listen):
        terminal.warn(
            "WARNING: other machines can reach this cluster, and its HTTP is not encrypted."
            + ("" if cluster["passwords_generated"] else " Its passwords are those you set.")
        )


def down(*, purge: bool) -> int:
    """Stop the cluster in order; with `purge` remove what it remembered."""
    home = Home.find()
    if control.is_locked(home):
        with terminal.steps("Stopping Muster") as progress:
            progress.step("services")
            _end(home)
    else:
        terminal.say(f"No cluster runs in {home.path}.")
    orphans.end_orphans(home)
    if purge:
        from deploy.local.postgres import EmbeddedPostgres

        EmbeddedPostgres(home.path / "postgres", home.run / "postgres").remove()
        places = [
            home.path / name for name in ("compute", "standins", "rabbitmq", "logs", "config")
        ]
        places.append(home.run)
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        for file in (home.clouds_file, home.cluster_file, home.path / "passwords.json"):
            file.unlink(missing_ok=True)
        terminal.say("Its data is removed.")
    return 0


def _end(home: Home) -> None:
    """Ask, wait, and only then use force."""
    with contextlib.suppress(LocalClusterError):
        control.connect(home).down()
    deadline = time.monotonic() + DOWN_DEADLINE_S
    while control.is_locked(home) and time.monotonic() < deadline:
        time.sleep(0.05)
    if control.is_locked(home):
        terminal.warn("It did not stop in time and is ended by force.")
        orphans.end_orphans(home, first=signal.SIGKILL)

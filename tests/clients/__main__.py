"""`tests/clients/run [--workspace FOLDER] [NAME...]`: unmodified clients against a cluster.

Owns: a throw-away cluster, and the order of the clients. May not: install anything outside the
workspace. Crash story: Ctrl-C ends the cluster; the workspace keeps environments and logs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common.config.scheduler import SchedulerSettings
from deploy.load.throwaway import ROOMY, ThrowAway, settings_of, throw_away
from tests.clients import horizon, nova, placement, rally
from tests.clients.command_line import CommandLine
from tests.clients.environments import Environment, NotSeen
from tests.real_neighbours import walk

HERE = Path(__file__).parent
REQUIREMENTS = {
    "openstack": (),
    "sdk": ("openstacksdk==4.22.0",),
    "nova": nova.REQUIREMENTS,
    "placement": placement.REQUIREMENTS,
    # Its collection openstack.cloud 2.5.0 needs `openstack.version`, not imported by later ones.
    "ansible": ("ansible==12.3.0", "openstacksdk==4.14.0"),
    "rally": ("rally-openstack==4.1.0",),
    "horizon": horizon.REQUIREMENTS,
}
RALLY_TIMES, RALLY_CONCURRENCY, RALLY_DEADLINE_S = 3, 2, 3600.0
# One of Rally's scenarios needs a filter that neither Nova nor Muster enables by itself.
_FILTERS = [*SchedulerSettings().enabled_filters, "AggregateInstanceExtraSpecsFilter"]
SETTINGS = settings_of(**dict(ROOMY), scheduler__enabled_filters=json.dumps(_FILTERS))


def _openstack(_environment: Environment, cluster: ThrowAway) -> str:
    line = CommandLine(cluster.home)
    line.everything()
    return f"{line.asked} commands"


def _sdk(environment: Environment, cluster: ThrowAway) -> str:
    program = [str(environment.programs / "python"), str(HERE / "sdk_cloud_layer.py")]
    return environment.run(program, _cloud(cluster))


def _nova(environment: Environment, cluster: ThrowAway) -> str:
    return nova.Nova(environment, _old_style(cluster)).everything()


def _placement(environment: Environment, cluster: ThrowAway) -> str:
    return placement.Placement(environment, _cloud(cluster)).everything()


def _ansible(environment: Environment, cluster: ThrowAway) -> str:
    program = str(environment.programs / "ansible-playbook")
    variables = {**_cloud(cluster), "ANSIBLE_LOCALHOST_WARNING": "False"}
    python = f"ansible_python_interpreter={environment.programs / 'python'}"
    said = []
    for playbook in ("playbook.yml", "playbook.yml", "cleanup.yml"):
        recap = environment.run([program, "-e", python, str(HERE / playbook)], variables)
        said.append(next(line for line in recap.splitlines() if "unreachable=" in line))
    if "changed=0 " not in said[1]:
        raise NotSeen(f"the second run changed something; see {environment.log}")
    return "; ".join(" ".join(line.split()[2:4]) for line in said)


def _rally(environment: Environment, cluster: ThrowAway) -> str:
    task = environment.folder / "rally.json"
    rally.write(task, RALLY_TIMES, RALLY_CONCURRENCY)
    program = str(environment.programs / "rally")
    database = environment.folder / "rally.sqlite"
    database.unlink(missing_ok=True)
    variables = {
        **_old_style(cluster),
        "RALLY_DATABASE__CONNECTION": f"sqlite:///{database}",
        "HOME": str(environment.folder),
    }
    config = environment.folder / "rally.conf"
    config.write_text(f"[database]\nconnection = sqlite:///{database}\n")
    base = [program, "--config-file", str(config)]
    environment.run([*base, "db", "create"], variables)
    environment.run([*base, "env", "create", "--name", "muster", "--from-sysenv"], variables)
    environment.run([*base, "task", "start", str(task)], variables, deadline_s=RALLY_DEADLINE_S)
    report = environment.folder / "rally.html"
    environment.run([*base, "task", "report", "--out", str(report)], variables)
    environment.run([*base, "task", "sla-check"], variables)
    return f"{len(rally.SCENARIOS)} scenarios, {RALLY_TIMES} times each; {report}"


def _horizon(environment: Environment, cluster: ThrowAway) -> str:
    auth_url = _old_style(cluster)["OS_AUTH_URL"].removesuffix("/v3")
    return horizon.run(environment, auth_url, environment.folder / "screenshots")


CLIENTS: dict[str, Callable[[Environment, ThrowAway], str]] = {
    "openstack": _openstack,
    "sdk": _sdk,
    "nova": _nova,
    "placement": _placement,
    "ansible": _ansible,
    "rally": _rally,
    "horizon": _horizon,
}


def _cloud(cluster: ThrowAway) -> dict[str, str]:
    return {"OS_CLIENT_CONFIG_FILE": str(cluster.home.clouds_file)}


def _old_style(cluster: ThrowAway) -> dict[str, str]:
    """For clients that read variables only."""
    auth = json.loads(cluster.home.clouds_file.read_text())["clouds"]["admin"]["auth"]
    return {
        "OS_AUTH_URL": auth["auth_url"],
        "OS_USERNAME": auth["username"],
        "OS_PASSWORD": auth["password"],
        "OS_PROJECT_NAME": auth["project_name"],
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": "RegionOne",
        "OS_COMPUTE_API_VERSION": "2.latest",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/clients/run")
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CLIENTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(CLIENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(CLIENTS)}")
    folder = (arguments.workspace / "muster-clients").resolve()
    failed = []
    with throw_away(SETTINGS) as cluster:
        cluster.up("--hosts", "3")
        for name in arguments.names or CLIENTS:
            began = time.monotonic()
            environment = Environment(folder, name, REQUIREMENTS[name])
            try:
                if environment.requirements:
                    environment.install()
                said = CLIENTS[name](environment, cluster)
            except (NotSeen, walk.NotSeen) as error:
                failed.append(name)
                said = f"FAILED: {error}"
            took_s = time.monotonic() - began
            sys.stdout.write(f"{name:>10} [{took_s:4.0f} s]  {said.strip()}\n")
            sys.stdout.flush()
        cluster.keep = bool(failed) and bool(os.environ.get("KEEP"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The testbed of a chaos run made of containers: docker-compose.yml under a name of its own.

Owns: building the image, the project's ports, settings and end; cutting a host off with
`docker network disconnect`; copying the hosts' disks out so that they can be judged.
May not: touch other containers than its own project's, nor publish ports beyond this machine.
Crash story: killed by force, it leaves containers whose names begin with `muster-chaos-`;
`docker-compose -p <that project> down -v` ends them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from common.config.settings import DatabaseSettings
from common.db.pool import Pool, close_pool, create_pool
from deploy.chaos import cut
from deploy.chaos.testbed import Say, Testbed, Timers
from deploy.load.client import Client, Refused, Unreachable
from deploy.local.home import ROOT, Home, LocalClusterError
from deploy.local.processes import free_ports

IMAGE = "muster:chaos"
STATE = "/var/lib/muster/compute"
BUILD_DEADLINE_S = 900.0
DEADLINE_S = 240.0
SLOW = Timers(service_down_time_s=6.0, spawn_delay_s=6.0)
"""Looking at disks in containers takes a while, and a spawn must be cut off in its middle."""


def run(*command: str, env: Mapping[str, str] | None = None, deadline_s: float = DEADLINE_S) -> str:
    """Output of a command; raises `LocalClusterError` with what it complained about."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=deadline_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise LocalClusterError(f"{command[0]} is not installed") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise LocalClusterError(f"{' '.join(command[:3])} failed: {words[-1]}")
    return done.stdout


class Project:
    """One compose project in a directory of its own."""

    def __init__(self, home: Home, timers: Timers, hosts: int) -> None:
        self.home = home
        self.name = f"muster-chaos-{os.getpid()}"
        self._hosts = hosts
        api, identity, management, database = free_ports(4)
        self.database = DatabaseSettings.model_validate(
            {"url": f"postgresql://muster@127.0.0.1:{database}/muster", "password": "muster"}
        )
        settings, override = home.path / "muster.env", home.path / "override.yml"
        settings.write_text("".join(f"{k}={v}\n" for k, v in timers.settings().items()))
        publish = {"services": {"postgres": {"ports": [f"127.0.0.1:{database}:5432"]}}}
        override.write_text(json.dumps(publish))  # JSON is YAML
        auth = {
            "auth_url": f"http://127.0.0.1:{identity}/identity",
            **dict.fromkeys(("username", "password", "project_name"), "admin"),
        }
        home.clouds_file.write_text(json.dumps({"clouds": {"admin": {"auth": auth}}}))
        self._env = {
            "MUSTER_IMAGE": IMAGE,
            "MUSTER_BIND": "127.0.0.1",
            "MUSTER_API_PORT": str(api),
            "MUSTER_IDENTITY_PORT": str(identity),
            "MUSTER_RABBITMQ_UI_PORT": str(management),
            "MUSTER_SPAWN_DELAY_S": str(timers.spawn_delay_s),
            "MUSTER_ENV_FILE": str(settings),
        }
        files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(override))
        place = ("--project-directory", str(ROOT))
        self._compose = (*_compose_program(), "-p", self.name, *place, *files)

    def compose(self, *arguments: str) -> str:
        return run(*self._compose, *arguments, env=self._env)

    def up(self) -> None:
        self.compose("up", "-d", "--no-build", "--scale", f"compute={self._hosts}")

    def containers(self) -> dict[str, str]:
        """The hosts' containers by the hosts' names (see deploy/docker/start.py)."""
        ids = self.compose("ps", "-q", "compute").split()
        names = run("docker", "inspect", "-f", "{{.Name}}", *ids).split()
        return {f"compute-{name.replace('_', '-').rpartition('-')[2]}": name[1:] for name in names}

    def down(self) -> None:
        """Stop and remove everything of the project; its logs and disks stay in the directory."""
        self.home.logs.mkdir(exist_ok=True)
        (self.home.logs / "compose.log").write_text(self.compose("logs", "--no-color"))
        self.compose("down", "-v", "--remove-orphans", "-t", "5")


def _compose_program() -> tuple[str, ...]:
    """`docker-compose` (also 1.29), else the plugin of newer engines."""
    return ("docker-compose",) if shutil.which("docker-compose") else ("docker", "compose")


class ComposeTestbed(Testbed):
    """The same testbed, with other switches."""

    def __init__(self, project: Project, client: Client, pool: Pool) -> None:
        super().__init__(project.home, client, pool)
        self._network = f"{project.name}_default"
        self._project = project
        self._containers: dict[str, str] = {}

    async def learn(self) -> None:
        """Which container is which host."""
        self._containers = await asyncio.to_thread(self._project.containers)

    async def act(self, action: str, name: str) -> None:
        words = {"freeze": "pause", "thaw": "unpause"}
        await asyncio.to_thread(run, "docker", words.get(action, action), self._containers[name])

    async def cut(self, name: str, *services: str) -> int:
        if services:
            raise LocalClusterError("a container is cut off from everything or from nothing")
        container = self._containers[name]
        await asyncio.to_thread(run, "docker", "network", "disconnect", self._network, container)
        return 1

    async def mend(self, name: str, *, reset: bool = False) -> None:
        """The container gets a new interface, maybe with another address: what hung, hangs."""
        del reset
        network = ("network", "connect", "--alias", "compute", self._network)
        await asyncio.to_thread(run, "docker", *network, self._containers[name])

    async def read_disks(self) -> Path:
        """Copies all hosts' disks out of their containers."""
        fresh = self.compute.with_name("compute.new")
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        fresh.mkdir()
        await asyncio.gather(
            *(
                asyncio.to_thread(run, "docker", "cp", f"{container}:{STATE}/.", str(fresh))
                for container in self._containers.values()
            )
        )
        await asyncio.to_thread(shutil.rmtree, self.compute, ignore_errors=True)
        fresh.rename(self.compute)
        return self.compute


@contextmanager
def _throw_away(timers: Timers, hosts: int, say: Say) -> Iterator[Project]:
    """A project that is up; removed at the end."""
    home = Home(Path(tempfile.mkdtemp(prefix="muster-run-")))
    say(f"Building {IMAGE}")
    dockerfile = ("-f", "deploy/docker/Dockerfile", ".")
    run("docker", "build", "-q", "--network", "host", "-t", IMAGE, *dockerfile,
        deadline_s=BUILD_DEADLINE_S)  # fmt: skip
    project = Project(home, timers, hosts)
    say(f"Starting the containers of project {project.name}, files in {home.path}")
    try:
        project.up()
        yield project
    finally:
        project.down()


@asynccontextmanager
async def _standing_on(project: Project, hosts: int) -> AsyncIterator[ComposeTestbed]:
    async with Client(project.home) as client:
        pool = await create_pool(project.database, application="muster-chaos", min_size=0)
        testbed = ComposeTestbed(project, client, pool)
        try:
            await testbed.learn()

            async def all_up() -> bool:
                try:
                    found = await testbed.hosts()
                except (Unreachable, Refused):
                    return False  # the API's container runs; the API does not yet
                return [host["state"] for host in found.values()] == ["up"] * hosts

            await testbed.until("all hosts up", all_up)
            yield testbed
        finally:
            await close_pool(pool)


async def _run(project: Project, options: cut.Options, say: Say) -> dict[str, Any]:
    async with _standing_on(project, options.hosts) as testbed:
        return await cut.play(testbed, options, say)


def cut_container(options: cut.Options, say: Say) -> dict[str, Any]:
    """The story of deploy/chaos/cut.py, with a container cut off by `docker network disconnect`."""
    with _throw_away(options.timers, options.hosts, say) as project:
        result = asyncio.run(_run(project, options, say))
    if result["wrong"] or options.keep:
        result["home"] = str(project.home.path)
        say(f"Left for inspection: {project.home.path}")
    else:
        shutil.rmtree(project.home.path, ignore_errors=True)
    return result

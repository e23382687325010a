"""`muster demo`: what Muster is about, told in half a minute on a throw-away cluster.

Owns: the story: three servers on three hosts, a host that dies, is declared down, is emptied,
returns, is taken into maintenance. Every state is read from the Compute API; the exit code is 0
only when each was seen.
May not: touch a cluster of the user's; it has a home, ports and timers of its own.
Crash story: Ctrl-C ends the cluster and removes its home.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deploy.cli import terminal
from deploy.cli.cloud import Cloud, CloudError
from deploy.cli.up import down, up
from deploy.local import control
from deploy.local.home import Home, LocalClusterError
from deploy.local.plan import Options

REPORT_INTERVAL_S = 0.5
DOWN_TIME_S = 2.0
DEADLINE_S = 20.0
VERSION = "2.94"
"""The newest in which an evacuated server runs again; from 2.95 on it stays stopped."""

TIMERS = {
    "MUSTER_SERVICEGROUP__REPORT_INTERVAL_S": str(REPORT_INTERVAL_S),
    "MUSTER_SERVICEGROUP__SERVICE_DOWN_TIME_S": str(DOWN_TIME_S),
}


class NotSeen(LocalClusterError):
    """The API did not show in time what the story says."""


@contextmanager
def throw_away_cluster() -> Iterator[Home]:
    """A cluster of its own, gone afterwards."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="muster-demo-", ignore_cleanup_errors=True) as path:
        os.environ.update(TIMERS, MUSTER_HOME=path)
        try:
            up(Options(port=0, identity_port=0), foreground=False, quiet=True)
            try:
                yield Home.find()
            finally:
                down(purge=False)
        finally:
            os.environ.clear()
            os.environ.update(before)


class Story:
    """One run; `servers` maps name to id."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._admin = Cloud(home, "admin", microversion=VERSION)
        self._servers: dict[str, str] = {}
        self._chapter = 0

    def _say(self, text: str) -> None:
        self._chapter += 1
        terminal.say(f"\n[bold]{self._chapter}. {text}[/]")

    def _compute(self, method: str, path: str, body: Any = None) -> Any:
        return self._admin.call("compute", method, path, body)

    def _see(self, what: str, probe: Callable[[], str | None], wanted: str) -> None:
        """Wait until the API answers `wanted`; say what it answered and when."""
        began, seen = time.monotonic(), None
        while time.monotonic() - began < DEADLINE_S:
            seen = probe()
            if seen == wanted:
                took_s = time.monotonic() - began
                terminal.say(f"   {what}: [green]{wanted}[/] (after {took_s:.1f} s)")
                return
            time.sleep(0.02)
        raise NotSeen(f"{what}: the API says {seen}, not {wanted}, after {DEADLINE_S:.0f} s")

    def _server(self, name: str) -> dict[str, Any]:
        server: dict[str, Any] = self._compute("GET", f"/servers/{self._servers[name]}")["server"]
        if server["status"] == "ERROR":
            raise NotSeen(f"{name} is in ERROR: {server.get('fault', {}).get('message')}")
        return server

    def _host_of(self, name: str) -> str:
        return str(self._server(name)["OS-EXT-SRV-ATTR:host"])

    def _see_host_status(self, name: str, wanted: str) -> None:
        self._see(f"host_status of {name}", lambda: self._server(name)["host_status"], wanted)

    def _service(self, host: str, **change: Any) -> None:
        services = self._compute("GET", f"/os-services?host={host}&binary=nova-compute")
        self._compute("PUT", f"/os-services/{services['services'][0]['id']}", change)

    def boot(self) -> None:
        """Three servers, one a host."""
        call = self._admin.call
        image = call("image", "GET", "/v2/images?name=cirros")["images"][0]["id"]
        network = call("network", "GET", "/v2.0/networks?name=private")["networks"][0]["id"]
        hosts = sorted(self._admin.hosts_up())
        self._say(f"Boot three servers, one on each of {', '.join(hosts)}.")
        for number, host in enumerate(hosts, 1):
            name = f"demo-{number}"
            body = {
                "name": name,
                "flavorRef": "1",
                "imageRef": image,
                "networks": [{"uuid": network}],
                "host": host,
            }
            self._servers[name] = self._compute("POST", "/servers", {"server": body})["server"][
                "id"
            ]
        for name, host in zip(self._servers, hosts, strict=True):
            self._see(f"{name} on {host}", lambda name=name: self._server(name)["status"], "ACTIVE")  # type: ignore[misc]
            self._see_host_status(name, "UP")

    def kill(self, name: str) -> str:
        """The host of `name` dies without a word."""
        host = self._host_of(name)
        self._say(f"Kill {host} without warning, as a power cut would.")
        control.connect(self._home).act("kill", host)
        self._see_host_status(name, "UNKNOWN")
        terminal.say(f"   It has not reported for {DOWN_TIME_S:g} s; nobody has said why.")
        return host

    def declare_down(self, name: str, host: str) -> None:
        self._say(f"Declare {host} down: nobody has to wait any longer.")
        self._service(host, forced_down=True)
        self._see_host_status(name, "DOWN")

    def evacuate(self, name: str, host: str) -> None:
        self._say(f"Evacuate {name} from {host}.")
        self._compute("POST", f"/servers/{self._servers[name]}/action", {"evacuate": {}})
        self._see(
            f"{name} away from {host}",
            lambda: self._server(name)["status"] if self._host_of(name) != host else None,
            "ACTIVE",
        )
        self._see_host_status(name, "UP")

    def come_back(self, host: str) -> None:
        self._say(f"{host} comes back. It asks about its guests before it serves.")
        control.connect(self._home).act("start", host)
        terminal.say(
            "   It may not be taken for up while it still has the guest that was evacuated:"
        )
        self._see("taking back that it is down", lambda: self._take_back(host), "accepted")
        self._see(
            f"service on {host}", lambda: "up" if host in self._admin.hosts_up() else "down", "up"
        )

    def _take_back(self, host: str) -> str:
        """Refused with 400 until the host has destroyed its old guests."""
        try:
            self._service(host, forced_down=False)
        except CloudError as error:
            if error.status == 400:
                return "refused"
            raise
        return "accepted"

    def maintain(self, name: str) -> None:
        host = self._host_of(name)
        self._say(f"Disable {host} for maintenance; its servers go on.")
        self._service(host, status="disabled", disabled_reason="demo")
        self._see_host_status(name, "MAINTENANCE")
        self._say(f"Enable {host} again.")
        self._service(host, status="enabled")
        self._see_host_status(name, "UP")


def demo() -> int:
    """0 when every state was seen through the API, 1 with the one that was not."""
    began = time.monotonic()
    with throw_away_cluster() as home:
        story = Story(home)
        try:
            story.boot()
            host = story.kill("demo-1")
            story.declare_down("demo-1", host)
            story.evacuate("demo-1", host)
            story.come_back(host)
            story.maintain("demo-2")
        except (NotSeen, CloudError) as error:
            terminal.say(f"\n[red]Not seen:[/] {error}")
            return 1
        took_s = time.monotonic() - began
        terminal.say(f"\nEvery state was seen through the API, in {took_s:.0f} s.")
    terminal.say("The demo's cluster is gone again. For one of your own: ./muster up")
    return 0

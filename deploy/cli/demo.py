"""`muster demo`: what Muster is about, told in a minute on a live cluster.

Owns: the story. It uses nothing but the Compute API and the same controls that people have.
May not: touch servers that it did not make.
Crash story: an interrupted demo deletes its servers and brings its host back.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

from deploy.cli import terminal
from deploy.cli.cloud import Cloud, CloudError
from deploy.cli.up import up
from deploy.local import control
from deploy.local.home import Home, LocalClusterError
from deploy.local.plan import Options

COUNT = 3
DEADLINE_S = 20.0
T = TypeVar("T")


def _wait(what: str, probe: Callable[[], T | None]) -> T:
    """The first answer of `probe` that is not None."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = probe()
        if found is not None:
            return found
        time.sleep(0.05)
    raise LocalClusterError(f"waited {DEADLINE_S:.0f} s in vain: {what}; see ./muster logs")


class Story:
    """One run on one cluster; `servers` are those it made."""

    def __init__(self, home: Home) -> None:
        self._home = home
        # From 2.95 on an evacuated server stays stopped; here it is to run again.
        self._admin = Cloud(home, "admin", microversion="2.94")
        self._demo = Cloud(home, "demo", microversion="2.37")
        self._servers: list[str] = []
        self._host: str | None = None

    def _show(self, server: str) -> dict[str, Any]:
        found: dict[str, Any] = self._admin.call("compute", "GET", f"/servers/{server}")["server"]
        return found

    def _table(self) -> None:
        rows = []
        for uuid in self._servers:
            server = self._show(uuid)
            host = server.get("OS-EXT-SRV-ATTR:host") or "-"
            rows.append([server["name"], server["status"], host, server.get("host_status", "")])
        terminal.table(["server", "status", "host", "host_status"], rows)
        terminal.say()

    def _tell(self, text: str) -> None:
        terminal.say(f"[bold]{text}[/]")

    def create(self) -> None:
        """Servers of an ordinary user."""
        self._tell(f"1. The user demo asks for {COUNT} servers.")
        call = self._demo.call
        flavors = call("compute", "GET", "/flavors")["flavors"]
        flavor = next(f["id"] for f in flavors if f["name"] == "m1.tiny")
        image = call("image", "GET", "/v2/images?name=cirros")["images"][0]["id"]
        networks = call("network", "GET", "/v2.0/networks?name=private")["networks"]
        began = time.monotonic()
        for number in range(1, COUNT + 1):
            body = {
                "name": f"demo-{number}",
                "flavorRef": flavor,
                "imageRef": image,
                "networks": [{"uuid": networks[0]["id"]}],
            }
            made = call("compute", "POST", "/servers", {"server": body})["server"]
            self._servers.append(made["id"])
        for uuid in self._servers:
            _wait("server ACTIVE", lambda uuid=uuid: self._in_state(uuid, "ACTIVE"))  # type: ignore[misc]
        terminal.say(
            f"   ACTIVE after {time.monotonic() - began:.1f} s; the admin also sees hosts:\n"
        )
        self._table()

    def _in_state(self, uuid: str, status: str) -> dict[str, Any] | None:
        server = self._show(uuid)
        if server["status"] == "ERROR":
            fault = server.get("fault", {}).get("message", "no reason given")
            raise LocalClusterError(f"server {server['name']} is in ERROR: {fault}")
        return server if server["status"] == status else None

    def lose_host(self) -> None:
        """Kill the host of the first server and say so to the cloud, as a fencing agent would."""
        self._host = host = str(self._show(self._servers[0])["OS-EXT-SRV-ATTR:host"])
        self._tell(f"2. {host} loses its power (./muster kill {host}); fencing reports it down.")
        control.connect(self._home).act("kill", host)
        self._force_down(host, forced=True)
        _wait("host_status DOWN", lambda: self._host_status("DOWN"))
        terminal.say(
            "   host_status tells it at once, although the server's own record is ACTIVE:\n"
        )
        self._table()

    def _host_status(self, wanted: str) -> bool | None:
        return True if self._show(self._servers[0])["host_status"] == wanted else None

    def _force_down(self, host: str, *, forced: bool) -> None:
        for service in self._admin.compute_services():
            if service["host"] == host and service["binary"] == "nova-compute":
                path = f"/os-services/{service['id']}"
                self._admin.call("compute", "PUT", path, {"forced_down": forced})

    def evacuate(self) -> None:
        """Rebuild what was on the dead host elsewhere."""
        lost = [u for u in self._servers if self._show(u)["OS-EXT-SRV-ATTR:host"] == self._host]
        self._tell(f"3. The admin evacuates {len(lost)} server(s) from {self._host}.")
        began = time.monotonic()
        for uuid in lost:
            self._admin.call("compute", "POST", f"/servers/{uuid}/action", {"evacuate": {}})
        for uuid in lost:
            _wait("evacuation", lambda uuid=uuid: self._elsewhere(uuid))  # type: ignore[misc]
        terminal.say(f"   They run elsewhere after {time.monotonic() - began:.1f} s:\n")
        self._table()

    def _elsewhere(self, uuid: str) -> bool | None:
        server = self._in_state(uuid, "ACTIVE")
        moved = server is not None and server["OS-EXT-SRV-ATTR:host"] != self._host
        return True if moved else None

    def return_host(self) -> None:
        """The host comes back, and its old guests may not run a second time."""
        if self._host is None:
            return
        host, self._host = self._host, None
        self._tell(f"4. {host} comes back. It asks what became of its guests before it serves.")
        control.connect(self._home).act("start", host)
        _wait(f"{host} to be let back", lambda: self._let_back(host))
        _wait(f"{host} up", lambda: True if host in self._admin.hosts_up() else None)
        terminal.say("   It dropped the evacuated ones: no server runs twice.\n")

    def _let_back(self, host: str) -> bool | None:
        """Refused until the host has dealt with its evacuated guests."""
        try:
            self._force_down(host, forced=False)
        except CloudError as error:
            if error.status in {400, 409}:
                return None
            raise
        return True

    def clean_up(self) -> None:
        """Remove the servers, and the damage if there still is some."""
        with contextlib.suppress(LocalClusterError):
            self.return_host()
        for uuid in self._servers:
            with contextlib.suppress(CloudError):
                self._admin.call("compute", "DELETE", f"/servers/{uuid}")
        for uuid in self._servers:
            _wait("server to be gone", lambda uuid=uuid: self._gone(uuid))  # type: ignore[misc]

    def _gone(self, uuid: str) -> bool | None:
        try:
            self._show(uuid)
        except CloudError as error:
            return True if error.status == 404 else None
        return None


def demo() -> int:
    home = Home.find()
    if control.read_cluster(home) is None:
        up(Options(), foreground=False)
        terminal.say()
    story = Story(home)
    try:
        story.create()
        story.lose_host()
        story.evacuate()
        story.return_host()
    finally:
        story.clean_up()
    terminal.say("The demo's servers are deleted; the cluster runs on. Stop it: ./muster down")
    return 0

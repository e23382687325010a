"""A day of a user and an administrator, with the unmodified `openstack` command.

Owns: the steps and what each must show. May not: know how the cloud was started.
Crash story: none; the cloud is thrown away afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any

from deploy.local.home import ROOT, Home

DEADLINE_S = 60.0


class NotSeen(Exception):
    """The client did not show what the step says."""


class Walk:
    def __init__(self, home: Home) -> None:
        self._environment = {**os.environ, "MUSTER_HOME": str(home.path)}
        self._environment.pop("OS_CLIENT_CONFIG_FILE", None)
        self.asked = 0

    def run(self, cloud: str, *words: str, refused: str = "", **environment: str) -> Any:
        """What a command prints; JSON decoded. `refused`: it must fail, and say this."""
        self.asked += 1
        command = [str(ROOT / "muster"), "openstack", *words]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**self._environment, "OS_CLOUD": cloud, **environment},
            check=False,
            timeout=DEADLINE_S,
        )
        said = done.stdout + done.stderr
        if refused:
            if done.returncode == 0 or refused not in said:
                raise NotSeen(f"{' '.join(words)} was not refused with {refused!r}: {said}")
            return said
        if done.returncode:
            raise NotSeen(f"{' '.join(words)} ended with {done.returncode}: {said}")
        return json.loads(done.stdout) if "json" in words else done.stdout

    def ask(self, cloud: str, *words: str, **environment: str) -> Any:
        return self.run(cloud, *words, "-f", "json", **environment)

    def server(self, name: str, wanted: str) -> dict[str, Any]:
        """The server, once its status is `wanted`."""
        began = time.monotonic()
        while True:
            server: dict[str, Any] = self.ask("demo", "server", "show", name)
            if server["status"] == wanted:
                return server
            if server["status"] == "ERROR" or time.monotonic() - began > DEADLINE_S:
                raise NotSeen(f"{name} is {server['status']}, not {wanted}: {server}")

    def see(self, what: str, seen: object, wanted: object) -> None:
        if seen != wanted:
            raise NotSeen(f"{what}: {seen!r}, not {wanted!r}")

    def look_around(self) -> None:
        self.ask("demo", "token", "issue")
        types = {service["Type"] for service in self.ask("demo", "catalog", "list")}
        self.see("catalog", {"identity", "compute", "image", "network"} - types, set())
        images = {i["Name"]: i["Status"] for i in self.ask("demo", "image", "list")}
        self.see("images", images, {"cirros": "active"})
        networks = {network["Name"] for network in self.ask("demo", "network", "list")}
        self.see("networks", {"private", "public"} - networks, set())
        self.ask("demo", "flavor", "list")
        self.ask("demo", "limits", "show", "--absolute")

    def live_a_server(self) -> None:
        """Boot, stop, start, snapshot, boot from it, resize, rebuild, shelve and back."""
        create = ("server", "create", "--flavor", "m1.tiny", "--network", "private", "--wait")
        self.ask("demo", *create, "--image", "cirros", "v1")
        shown = self.server("v1", "ACTIVE")
        self.see("image of v1", shown["image"].partition(" ")[0], "cirros")
        self.see("networks of v1", list(shown["addresses"]), ["private"])
        for verb, status in (("stop", "SHUTOFF"), ("start", "ACTIVE")):
            self.run("demo", "server", verb, "v1")
            self.server("v1", status)
        self.ask("demo", "server", "image", "create", "--name", "snap", "--wait", "v1")
        snap = self.ask("demo", "image", "show", "snap")
        self.see("status of snap", snap["status"], "active")
        self.see("server of snap", snap["properties"]["instance_uuid"], shown["id"])
        self.see("owner of snap", snap["owner"], shown["project_id"])
        self.ask("demo", *create, "--image", "snap", "v2")
        self.run("demo", "server", "delete", "--wait", "v2")
        self.run("demo", "server", "resize", "--flavor", "m1.small", "--wait", "v1")
        self.run("demo", "server", "resize", "confirm", "v1")
        self.server("v1", "ACTIVE")
        self.run("demo", "server", "rebuild", "--image", "snap", "--wait", "v1")
        self.run("demo", "server", "shelve", "--wait", "v1")
        self.run("demo", "server", "unshelve", "--wait", "v1")
        self.server("v1", "ACTIVE")
        kept = {image["Name"] for image in self.ask("demo", "image", "list")}
        self.see("images after unshelving", kept, {"cirros", "snap"})

    def use_a_volume(self) -> None:
        """Attach an empty volume, and take it back."""
        self.ask("demo", "volume", "create", "--size", "1", "d1")
        self.run("demo", "server", "add", "volume", "v1", "d1")
        self._volume("d1", "in-use")
        self.run("demo", "server", "remove", "volume", "v1", "d1")
        self._volume("d1", "available")
        self.run("demo", "volume", "delete", "d1")

    def _volume(self, name: str, wanted: str) -> None:
        began, seen = time.monotonic(), None
        while seen != wanted:
            if time.monotonic() - began > DEADLINE_S:
                raise NotSeen(f"volume {name} is {seen}, not {wanted}")
            seen = self.ask("demo", "volume", "show", name)["status"]

    def ask_as_others(self) -> None:
        """Readers, application credentials, users that are disabled."""
        new = ("--project", "demo", "--password", "rita", "rita")
        self.ask("admin", "user", "create", *new)
        rita = {"OS_USERNAME": "rita", "OS_PASSWORD": "rita"}
        self.run("demo", "server", "list", refused="401", **rita)
        self.run("admin", "role", "add", "--project", "demo", "--user", "rita", "reader")
        names = {server["Name"] for server in self.ask("demo", "server", "list", **rita)}
        self.see("servers of a reader", names, {"v1"})
        self.run("demo", "server", "stop", "v1", refused="403", **rita)
        made = self.ask("demo", "application", "credential", "create", "--role", "reader", "ci")
        credential = {
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_APPLICATION_CREDENTIAL_ID": made["ID" if "ID" in made else "id"],
            "OS_APPLICATION_CREDENTIAL_SECRET": made["Secret" if "Secret" in made else "secret"],
            "OS_AUTH_URL": self._auth_url(),
            "OS_CLIENT_CONFIG_FILE": os.devnull,
        }
        names = {server["Name"] for server in self.ask("", "server", "list", **credential)}
        self.see("servers by credential", names, {"v1"})
        self.run("", "server", "stop", "v1", refused="403", **credential)
        self.run("demo", "application", "credential", "delete", "ci")
        # Keystone says so itself; whoever had a token of it would get 401.
        self.run("", "server", "list", refused="Could not find Application", **credential)
        self.run("admin", "user", "set", "--disable", "rita")
        self.run("demo", "server", "list", refused="401", **rita)

    def _auth_url(self) -> str:
        for service in self.ask("demo", "catalog", "list"):
            if service["Type"] == "identity":
                endpoints = service["Endpoints"]
                return str(next(e["url"] for e in endpoints if e["interface"] == "public"))
        raise NotSeen("the catalog has no identity service")

    def count(self) -> None:
        """Quotas of a project that only the identity service knows."""
        self.run("admin", "quota", "set", "--instances", "1", "demo")
        create = ("server", "create", "--flavor", "m1.tiny", "--image", "cirros", "--nic", "none")
        self.run("demo", *create, "v3", refused="Quota exceeded for instances")
        self.run("admin", "quota", "set", "--instances", "10", "demo")
        used = self.ask("admin", "usage", "show", "--project", "demo")
        self.see("whether usage was counted", bool(used["Servers"]), True)

    def clear(self) -> None:
        self.run("demo", "server", "delete", "--wait", "v1")
        self.run("demo", "image", "delete", "snap")
        self.see("servers left", self.ask("admin", "server", "list", "--all-projects"), [])
        ports = self.ask("admin", "port", "list", "--long")
        left = [port["ID"] for port in ports if port["Device Owner"].startswith("compute:")]
        self.see("ports left", left, [])

    def all(self) -> None:
        for step in (
            self.look_around,
            self.live_a_server,
            self.use_a_volume,
            self.ask_as_others,
            self.count,
            self.clear,
        ):
            began = time.monotonic()
            step()
            print(f"{step.__name__}: seen, in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201

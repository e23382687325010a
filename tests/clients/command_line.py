"""Everyday work with the unmodified `openstack` command: what goes beyond one server's life.

Owns: the steps and what each must show. May not: know how the cloud was started.
Crash story: none; the cloud is thrown away afterwards.
"""

from __future__ import annotations

import time
from typing import Any

from tests.real_neighbours.walk import DEADLINE_S, NotSeen, Walk

_CREATE = ("server", "create", "--flavor", "m1.tiny", "--wait")


class CommandLine(Walk):
    def everything(self) -> None:
        self.volumes()
        self.boot_from_volume()
        self.addresses()
        self.groups_of_servers()
        self.aggregates_and_zones()
        self.moves()
        self.evacuation()
        self.consoles_and_usage()

    def until(self, what: str, wanted: Any, cloud: str, *words: str, key: str) -> Any:
        """The answer, once its `key` is `wanted`."""
        began = time.monotonic()
        while (shown := self.ask(cloud, *words))[key] != wanted:
            if time.monotonic() - began > DEADLINE_S:
                raise NotSeen(f"{what}: {shown[key]!r}, not {wanted!r}")
        return shown

    def volumes(self) -> None:
        self.ask("demo", *_CREATE, "--image", "cirros", "--network", "private", "w1")
        self.run("demo", "volume", "create", "--size", "1", "d1")
        self.until("d1", "available", "demo", "volume", "show", "d1", key="status")
        self.run("demo", "server", "add", "volume", "w1", "d1")
        self.until("d1", "in-use", "demo", "volume", "show", "d1", key="status")
        listed = self.ask("demo", "server", "volume", "list", "w1")
        self.see("volumes of w1", len(listed), 1)
        self.run("demo", "server", "add", "volume", "w1", "d1", refused="400")
        self.run("demo", "server", "remove", "volume", "w1", "d1")
        self.until("d1", "available", "demo", "volume", "show", "d1", key="status")
        self.run("demo", "volume", "delete", "d1")

    def boot_from_volume(self) -> None:
        self.run("demo", "volume", "create", "--size", "1", "--image", "cirros", "root1")
        self.until("root1", "available", "demo", "volume", "show", "root1", key="status")
        self.run("demo", "volume", "set", "--bootable", "root1")
        self.ask("demo", *_CREATE, "--volume", "root1", "--network", "private", "b1")
        shown = self.server("b1", "ACTIVE")
        self.see("image of b1", "volume" in str(shown["image"]).lower(), True)
        booting = ("--image", "cirros", "--boot-from-volume", "1", "--delete-on-termination")
        self.ask("demo", *_CREATE, *booting, "--network", "private", "b2")
        self.run("demo", "server", "delete", "--wait", "b1", "b2")
        self.until("root1", "available", "demo", "volume", "show", "root1", key="status")
        left = {volume["Name"] for volume in self.ask("demo", "volume", "list")}
        self.see("volumes that stay", left, {"root1"})
        self.run("demo", "volume", "delete", "root1")

    def addresses(self) -> None:
        made = self.ask("demo", "floating", "ip", "create", "public")
        address = made["floating_ip_address"]
        self.run("demo", "server", "add", "floating", "ip", "w1", address)
        self._address("w1", address, there=True)
        self.run("demo", "server", "remove", "floating", "ip", "w1", address)
        self._address("w1", address, there=False)
        self.run("demo", "floating", "ip", "delete", address)
        port = self.ask("demo", "port", "create", "--network", "private", "po1")
        self.run("demo", "server", "add", "port", "w1", "po1")
        fixed = port["fixed_ips"][0]["ip_address"]
        self._address("w1", fixed, there=True)
        self.run("demo", "server", "remove", "port", "w1", "po1")
        self._address("w1", fixed, there=False)
        self.run("demo", "port", "delete", "po1")
        self.run("demo", "server", "add", "fixed", "ip", "w1", "private")
        self.run("demo", "security", "group", "create", "g1")
        self.run("demo", "server", "add", "security", "group", "w1", "g1")
        self.run("demo", "server", "remove", "security", "group", "w1", "g1")
        self.run("demo", "security", "group", "delete", "g1")

    def _address(self, name: str, address: str, *, there: bool) -> None:
        began = time.monotonic()
        while True:
            shown = self.ask("demo", "server", "show", name)["addresses"]
            if any(address in addresses for addresses in shown.values()) is there:
                return
            if time.monotonic() - began > DEADLINE_S:
                raise NotSeen(f"addresses of {name}: {shown}, with {address}: {not there}")

    def groups_of_servers(self) -> None:
        made = self.ask("demo", "server", "group", "create", "--policy", "anti-affinity", "ag")
        group = made["id"]
        hint = ("--image", "cirros", "--network", "private", "--hint", f"group={group}")
        ids = [self.ask("demo", *_CREATE, *hint, name)["id"] for name in ("a1", "a2")]
        hosts = {self._host(server_id) for server_id in ids}
        self.see("hosts of an anti-affinity group", len(hosts), 2)
        members = self.ask("demo", "server", "group", "show", "ag")["members"]
        self.see("members", sorted(members), sorted(ids))
        self.run("demo", "server", "delete", "--wait", "a1", "a2")
        self.run("demo", "server", "group", "delete", "ag")

    def aggregates_and_zones(self) -> None:
        listed = self.ask("admin", "compute", "service", "list", "--service", "nova-compute")
        busy = self.ask("admin", "server", "list", "--all-projects", "--long")
        taken = {server["Host"] for server in busy}
        host = next(each["Host"] for each in listed if each["Host"] not in taken)
        self.run("admin", "aggregate", "create", "--zone", "az1", "agg1")
        self.run("admin", "aggregate", "add", "host", "agg1", host)
        self.run("admin", "aggregate", "set", "--property", "ssd=true", "agg1")
        zones = self.ask("demo", "availability", "zone", "list", "--compute")
        self.see("zones", {zone["Zone Name"] for zone in zones} >= {"az1", "nova"}, True)
        there = ("--image", "cirros", "--network", "private", "--availability-zone", "az1")
        server_id = self.ask("demo", *_CREATE, *there, "z1")["id"]
        self.see("host of z1", self._host(server_id), host)
        self.run("admin", "aggregate", "remove", "host", "agg1", host, refused="409")
        self.run("demo", "server", "delete", "--wait", "z1")
        self.run("admin", "aggregate", "remove", "host", "agg1", host)
        self.run("admin", "aggregate", "delete", "agg1")

    def moves(self) -> None:
        """Off a host that is disabled, cold; and live."""
        where = ("--image", "cirros", "--network", "private")
        server_id = self.ask("demo", *_CREATE, *where, "e1")["id"]
        first = self._host(server_id)
        service = ("admin", "compute", "service", "set")
        self.run(*service, "--disable", "--disable-reason", "upgrade", first, "nova-compute")
        self.run("admin", "server", "migrate", "--wait", server_id)
        self.server("e1", "VERIFY_RESIZE")
        self.run("admin", "server", "migration", "confirm", server_id)
        self.server("e1", "ACTIVE")
        second = self._host(server_id)
        self.see("whether it left a disabled host", second != first, True)
        self.run(*service, "--enable", first, "nova-compute")
        self.run("admin", "server", "migrate", "--live-migration", "--wait", server_id)
        self.see("whether it moved", self._host(server_id) != second, True)
        self.server("e1", "ACTIVE")

    def evacuation(self) -> None:
        """From a host that is declared down; the newest versions leave the server stopped."""
        server_id = self.ask("demo", "server", "show", "e1")["id"]
        lost = self._host(server_id)
        self.run("admin", "server", "evacuate", server_id, refused="400")
        self.run("admin", "compute", "service", "set", "--down", lost, "nova-compute")
        self.run("admin", "server", "evacuate", server_id)
        self.server("e1", "SHUTOFF")
        self.see("whether it left a dead host", self._host(server_id) != lost, True)
        self.run("demo", "server", "start", "e1")
        self.server("e1", "ACTIVE")
        self.run("admin", "compute", "service", "set", "--up", lost, "nova-compute")
        moved = self.ask("admin", "server", "migration", "list", "--server", server_id)
        kinds = sorted(migration["Type"] for migration in moved)
        self.see("migrations", kinds, ["evacuation", "live-migration", "migration"])
        self.run("demo", "server", "delete", "--wait", "e1")

    def _host(self, server_id: str) -> str:
        shown = self.ask("admin", "server", "show", server_id)
        return str(shown["OS-EXT-SRV-ATTR:host"])

    def consoles_and_usage(self) -> None:
        self.run("demo", "console", "log", "show", "--lines", "5", "w1")
        url = self.ask("demo", "console", "url", "show", "w1")["url"]
        self.see("console", "token" in url, True)
        self.ask("admin", "usage", "list")
        self.ask("demo", "quota", "show", "--usage")
        self.run("demo", "server", "delete", "--wait", "w1")

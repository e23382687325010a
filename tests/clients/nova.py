"""Everyday work with the old `nova` command, which speaks the newest version it knows.

Owns: the commands, and the status each leads to. May not: know how the cloud was started.
Crash story: none; the cloud is thrown away afterwards.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from tests.clients.environments import Environment, NotSeen

REQUIREMENTS = ("python-novaclient==18.13.1", "python-openstackclient==10.5.0")
DEADLINE_S = 60.0
_READ = (
    "service-list", "hypervisor-list", "hypervisor-stats --help", "list", "flavor-list",
    "keypair-list", "aggregate-list", "availability-zone-list", "server-group-list",
    "migration-list", "usage-list", "limits", "quota-show", "version-list",
)  # fmt: skip
_BOOT = "boot --flavor m1.tiny --image cirros --nic net-name=private --poll"
_PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgA+KqDd+/dO4VcyKCU19AU1rbu8L4ZsnAfSmRDejJq n1"
LIFE: tuple[tuple[str, str], ...] = (
    ("keypair-add --pub-key {key} n1", ""),
    (f"{_BOOT} --key-name n1 --meta a=b --tags t1 --description words n1", "ACTIVE"),
    ("list --all-tenants --status ACTIVE", ""),
    ("instance-action-list n1", ""),
    ("console-log n1 --length 5", ""),
    ("get-vnc-console n1 novnc", ""),
    ("get-serial-console n1", ""),
    ("diagnostics n1", ""),
    ("meta n1 set c=d", ""),
    ("meta n1 delete a", ""),
    ("server-tag-add n1 t2 t3", ""),
    ("server-tag-list n1", ""),
    ("update n1 --name n1x", ""),
    ("update n1x --name n1", ""),
    ("stop n1", "SHUTOFF"),
    ("start n1", "ACTIVE"),
    ("reboot --poll n1", "ACTIVE"),
    ("reboot --hard --poll n1", "ACTIVE"),
    ("pause n1", "PAUSED"),
    ("unpause n1", "ACTIVE"),
    ("suspend n1", "SUSPENDED"),
    ("resume n1", "ACTIVE"),
    ("lock n1 --reason why", ""),
    ("unlock n1", ""),
    ("rescue n1", "RESCUE"),
    ("unrescue n1", "ACTIVE"),
    ("image-create --poll --show n1 nova-snap", "ACTIVE"),
    ("rebuild --poll n1 nova-snap", "ACTIVE"),
    ("resize --poll n1 m1.small", "VERIFY_RESIZE"),
    ("resize-revert n1", "ACTIVE"),
    ("resize --poll n1 m1.small", "VERIFY_RESIZE"),
    ("resize-confirm n1", "ACTIVE"),
    ("migrate --poll n1", "VERIFY_RESIZE"),
    ("resize-confirm n1", "ACTIVE"),
    ("live-migration n1", "ACTIVE"),
    ("server-migration-list n1", ""),
    ("migration-list --instance-uuid {id}", ""),
    ("shelve n1", "SHELVED_OFFLOADED"),
    ("unshelve n1", "ACTIVE"),
    ("interface-list n1", ""),
    ("add-secgroup n1 default", ""),
    ("list-secgroup n1", ""),
    ("server-topology n1", ""),
    ("backup n1 nova-backup daily 1", "ACTIVE"),
    ("volume-attachments n1", ""),
    ("aggregate-create nova-agg", ""),
    ("aggregate-delete nova-agg", ""),
    ("flavor-create nova-flavor auto 64 1 1", ""),
    ("flavor-key nova-flavor set hw:cpu_policy=shared", ""),
    ("flavor-delete nova-flavor", ""),
    ("server-group-create nova-group anti-affinity", ""),
    ("service-disable {service} --reason why", ""),
    ("service-enable {service}", ""),
    ("reset-state n1", "ERROR"),
    ("reset-state --active n1", "ACTIVE"),
    ("delete n1", "DELETED"),
    ("keypair-delete n1", ""),
)
"""A command, and the status of the server n1 that it leads to."""


class Nova:
    def __init__(self, environment: Environment, variables: Mapping[str, str]) -> None:
        self._environment, self._variables = environment, variables

    def everything(self) -> str:
        for command in _READ:
            self._run(command)
        service = self._first("service-list --binary nova-compute")
        key = self._environment.folder / "nova-key.pub"
        key.write_text(_PUBLIC_KEY)
        known = {"service": service, "key": str(key)}
        for command, status in LIFE:
            self._run(command.format(**known))
            if status:
                self._until(status, command)
            if command.startswith("boot"):
                known["id"] = self._first("list")
        return f"{len(_READ) + len(LIFE)} commands"

    def _run(self, command: str) -> str:
        program = str(self._environment.programs / "nova")
        return self._environment.run([program, *command.split()], self._variables)

    def _first(self, command: str) -> str:
        found = re.search(r"^\| ([0-9a-f-]{36}) ", self._run(command), re.MULTILINE)
        if found is None:
            raise NotSeen(f"nova {command} shows nothing; see {self._environment.log}")
        return found[1]

    def _until(self, wanted: str, after: str) -> None:
        """Idle with that status; a server that is gone shows no more."""
        began, seen = time.monotonic(), ""
        while time.monotonic() - began < DEADLINE_S:
            if wanted == "DELETED":
                if "| n1 " not in self._run("list"):
                    return
                continue
            shown = self._run("show n1")
            seen = _field(shown, "status")
            if seen == wanted and _field(shown, "OS-EXT-STS:task_state") == "-":
                return
        raise NotSeen(f"after nova {after}: n1 is {seen}, not {wanted}")


def _field(table: str, name: str) -> str:
    found = re.search(rf"^\| {re.escape(name)} +\| (\S*)", table, re.MULTILINE)
    return found[1] if found else ""

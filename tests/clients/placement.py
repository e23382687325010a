"""The Placement plugin of `openstack`: what it shows of hosts and claims.

Owns: the commands and what they must show. May not: know how the cloud was started.
Crash story: none; it only reads, but for one refusal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.clients.environments import Environment, NotSeen

REQUIREMENTS = ("osc-placement==4.9.1", "python-openstackclient==10.5.0")
_AMOUNTS = ("--resource", "VCPU=1", "--resource", "MEMORY_MB=512", "--resource", "DISK_GB=1")
_VERSIONS = ("1.10", "1.25", "1.39")


class Placement:
    def __init__(self, environment: Environment, variables: Mapping[str, str]) -> None:
        self._environment = environment
        self._variables = {**variables, "OS_CLOUD": "admin"}
        self._asked = 0

    def everything(self) -> str:
        providers = self._ask("resource provider list", version="1.0")
        self._same("hosts", {each["name"].partition("-")[0] for each in providers}, {"compute"})
        one = providers[0]["uuid"]
        for command in ("inventory list", "usage show", "trait list", "aggregate list", "show"):
            self._ask(f"resource provider {command} {one}")
        self._ask("resource class list")
        self._ask("trait list")
        project = self._ask("token issue")["project_id"]
        self._ask(f"resource usage show {project}")
        for version in _VERSIONS:
            found = self._ask("allocation candidate list", *_AMOUNTS, version=version)
            self._same(f"candidates of {version}", len(found), len(providers))
        groups = ("--group", "1", "--resource", "VCPU=1", "--group", "2", "--resource", "DISK_GB=1")
        for policy, count in (("none", len(providers)), ("isolate", 0)):
            found = self._ask("allocation candidate list", *groups, "--group-policy", policy)
            self._same(f"candidates for groups, {policy}", len(found), count)
        try:
            self._ask("resource provider create of-nobody")
        except NotSeen:
            return f"{self._asked} commands"
        raise NotSeen("a provider could be made")

    def _ask(self, command: str, *words: str, version: str = "1.39") -> Any:
        self._asked += 1
        program = str(self._environment.programs / "openstack")
        line = [program, "--os-placement-api-version", version, *command.split(), *words]
        return json.loads(self._environment.run([*line, "-f", "json"], self._variables))

    def _same(self, what: str, seen: object, wanted: object) -> None:
        if seen != wanted:
            raise NotSeen(f"{what}: {seen!r}, not {wanted!r}; see {self._environment.log}")

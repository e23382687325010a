"""Local clusters as people start them: through the command line, each with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local import orphans
from deploy.local.home import ROOT, Home

COMMAND_TIMEOUT_S = 180.0


@dataclass
class Muster:
    """The command line with MUSTER_HOME set; `home` as the cluster's own code sees it."""

    home: Home

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli", *arguments],
            check=False,
            cwd="/",
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("MUSTER_", "OS_"))},
                "MUSTER_HOME": str(self.home.path),
                "PYTHONPATH": str(ROOT),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )

    def ok(self, *arguments: str, **variables: str) -> str:
        """The output of a command that must succeed."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def up(self, *arguments: str) -> str:
        return self.ok("up", "--port", "0", "--identity-port", "0", *arguments)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return status

    def states(self) -> dict[str, str]:
        return {service["name"]: service["state"] for service in self.status()["services"]}

    def log(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.home.logs.glob("*.log"))
        )


@pytest.fixture
def muster(tmp_path: Path) -> Iterator[Muster]:
    """Whatever a test leaves behind is ended."""
    muster = Muster(Home(tmp_path / "home"))
    yield muster
    muster.run("down", "--purge")
    assert orphans.members_of(muster.home) == []

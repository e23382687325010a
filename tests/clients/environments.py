"""Where the clients are installed and where they write.

Owns: one environment and one log per client in the workspace. May not: know what a client does.
Crash story: an environment counts when its list of requirements is written, which comes last.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 900.0


class NotSeen(Exception):
    """A client failed, or did not show what it should."""


@dataclass(frozen=True)
class Environment:
    """An environment of one client."""

    folder: Path
    name: str
    requirements: Sequence[str]

    @property
    def programs(self) -> Path:
        return self.folder / f"venv-{self.name}" / "bin"

    def install(self) -> None:
        wanted = "\n".join(self.requirements)
        done = self.folder / f"venv-{self.name}" / "installed.txt"
        if done.exists() and done.read_text() == wanted:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run([sys.executable, "-m", "venv", "--clear", str(self.programs.parent)])
        self.run([str(self.programs / "pip"), "install", "--quiet", *self.requirements])
        done.write_text(wanted)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> str:
        """What it prints; raises with the place of the log when it fails."""
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, **(environment or {})},
            check=False,
            timeout=deadline_s,
        )
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines()[-3:]
            raise NotSeen(f"{command[0]} ended with {done.returncode} (see {self.log}): {last}")
        return done.stdout

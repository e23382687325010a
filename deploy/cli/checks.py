"""`muster test` and `muster lint`: the same checks for people and for CI.

Owns: what must be installed for them and in which order they run. May not: know single tests.
Crash story: none; they may be interrupted and run again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from deploy.cli import terminal
from deploy.local.home import ROOT, LocalClusterError

LINTS = {
    "rules": ["-m", "ruff", "check", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "types": ["-m", "mypy", "common", "services", "deploy", "tests"],
    "layers": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
}


def need_rabbitmq() -> None:
    """The bus is tested on a real broker; installs it where we may (root, apt)."""
    os.environ["PATH"] += os.pathsep + "/usr/lib/rabbitmq/bin" + os.pathsep + "/usr/sbin"
    if shutil.which("rabbitmq-server"):
        return
    advice = "install RabbitMQ 3.10 or newer (Debian, Ubuntu: apt-get install rabbitmq-server)"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LocalClusterError(f"the tests need a rabbitmq-server program: {advice}")
    with terminal.steps("Installing rabbitmq-server, which the tests need") as progress:
        # The package must not start a broker of its own: tests run private ones.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "-y", "install", "--no-install-recommends", "rabbitmq-server"],
        ):
            progress.step(" ".join(command))
            done = subprocess.run(
                command, check=False, env=environment, capture_output=True, text=True
            )
            if done.returncode != 0:
                reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
                raise LocalClusterError(f"{' '.join(command)} failed ({reason}); {advice}")


def test(arguments: Sequence[str]) -> int:
    """Become pytest."""
    need_rabbitmq()
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606


def lint() -> int:
    """Run all, also after a failure; 1 when one failed."""
    failed = []
    for name, arguments in LINTS.items():
        terminal.say(f"[bold]{name}[/]: {' '.join(arguments[1:])}")
        if subprocess.run([sys.executable, *arguments], check=False, cwd=ROOT).returncode != 0:
            failed.append(name)
    if failed:
        terminal.complain(f"failed: {', '.join(failed)}")
    return 1 if failed else 0

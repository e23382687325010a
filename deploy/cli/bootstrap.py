"""Makes one of the launcher's Python environments: `bootstrap.py ROOT LOCK NAME` prints its python.

Owns: creating `venv-*` below `.muster` (or ~/.cache/muster where that is not writable).
May not: import anything but the standard library; it runs before there is an environment.
Crash story: the environment counts only when its `.complete` file is there, which is written
last; a half-made one is thrown away by the next run. A file lock makes two runs take turns.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PURPOSE = {
    "local": "the environment of the local cluster",
    "dev": "the environment of the tests",
    "fuzz": "the environment of the fuzzer",
    "client": "the environment of the OpenStack client",
}


def say(text: str) -> None:
    print(f"muster: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    say(text)
    sys.exit(1)


def writable_base(root: Path) -> Path:
    """The first place that takes files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster"
    for place in (root / ".muster", cache):
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK | os.X_OK):
                return place
    fail(f"neither {root / '.muster'} nor {cache} can be written; make one of them writable")
    raise AssertionError


def run(*command: str | Path) -> str | None:
    """Run quietly; the last lines of output when it failed, None when it worked."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode == 0:
        return None
    return "\n".join(done.stdout.strip().splitlines()[-8:]) or f"exit code {done.returncode}"


def with_uv(uv: str, env: Path, lock: Path) -> str | None:
    """The fast way; what went wrong, None when it worked."""
    return run(uv, "venv", "--quiet", "--python", sys.executable, env) or run(
        uv, "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode",
        "--python", env / "bin" / "python", "-r", lock,
    )  # fmt: skip


def with_pip(env: Path, lock: Path) -> str | None:
    """The way every Python has; what went wrong, None when it worked."""
    problem = run(sys.executable, "-m", "venv", "--clear", env)
    if problem and "ensurepip" in problem:
        fail("Python's venv module is incomplete here; install python3-venv, or uv")
    return problem or run(
        env / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-input", "--require-hashes", "-r", lock,
    )  # fmt: skip


def make(env: Path, lock: Path) -> None:
    """Create `env` from `lock`. uv and pip are configured apart (certificates, proxies, indexes):
    where one cannot reach the packages the other may."""
    uv = shutil.which("uv")
    problem: str | None = "there is no uv"
    if uv and run(uv, "--version") is None:
        problem = with_uv(uv, env, lock)
    if problem:
        problem = with_pip(env, lock)
    if problem:
        print(problem, file=sys.stderr)
        full = "No space left" in problem
        fail(
            f"could not install {lock.name} into {env}: "
            + ("the disk is full" if full else "see above; is a package index reachable?")
        )


def main() -> None:
    root, lock_name, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    base = writable_base(root)
    env = base / name
    with (base / f".{name}.lock").open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is making the environment; waiting for it")
            fcntl.flock(guard, fcntl.LOCK_EX)
        python = env / "bin" / "python"
        if not ((env / ".complete").exists() and os.access(python, os.X_OK)):
            began = time.monotonic()
            version = ".".join(map(str, sys.version_info[:3]))
            say(f"making {PURPOSE[lock_name]} (first use only, Python {version}) ...")
            shutil.rmtree(env, ignore_errors=True)
            make(env, root / "deploy" / "locks" / f"{lock_name}.txt")
            (env / ".complete").touch()
            say(f"done in {time.monotonic() - began:.0f} s: {env}")
    print(python)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        fail(f"{error.strerror}: {error.filename}")

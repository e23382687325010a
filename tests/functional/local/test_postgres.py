"""The embedded PostgreSQL after bad ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.home import ROOT
from deploy.local.postgres import EmbeddedPostgres


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run")
    yield server
    server.kill()
    server.remove()


async def ask(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_what_was_committed_survives_a_kill(postgres: EmbeddedPostgres) -> None:
    postgres.start(subprocess.DEVNULL)
    await ask(postgres, "create table kept as select 42 as n")
    postgres.kill()
    postgres.start(subprocess.DEVNULL)
    assert await ask(postgres, "select n from kept") == 42


async def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(
    postgres: EmbeddedPostgres,
) -> None:
    postgres.start(subprocess.DEVNULL)
    postgres.stop()
    pid_file = postgres.data_dir / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{postgres.data_dir}\n")
    assert postgres.pid is None
    postgres.start(subprocess.DEVNULL)
    assert await ask(postgres, "select 1") == 1


def test_it_ends_with_its_parent(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    script = (
        "import os, pathlib, subprocess, signal;"
        "from deploy.local.postgres import EmbeddedPostgres as P;"
        f"p = P(pathlib.Path({str(tmp_path / 'data')!r}), pathlib.Path({str(tmp_path / 'run')!r}));"
        "p.start(subprocess.DEVNULL); print(p.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.returncode == -signal.SIGKILL
    assert int(parent.stdout) > 0
    postgres.start(subprocess.DEVNULL)  # takes over whatever still winds down
    assert postgres.pid != int(parent.stdout)


async def test_an_interrupted_first_start_is_redone(postgres: EmbeddedPostgres) -> None:
    half_made = postgres.data_dir.with_name(f"{postgres.data_dir.name}.new")
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    postgres.start(subprocess.DEVNULL)
    assert await ask(postgres, "select current_database()") == "muster"

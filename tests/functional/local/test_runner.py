"""A service as a process: settings, signals, exit codes. The stand-ins need nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from deploy.local.home import ROOT
from tests.functional.local.test_embedded import until

TIMEOUT_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    def __init__(self, scratch: Path, service: str = "standins", **settings: str) -> None:
        self.health = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"services.{service}"],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")},
                "PYTHONPATH": str(ROOT),
                "MUSTER_STANDINS__LISTEN_PORT": "0",
                "MUSTER_STANDINS__STATE_DIR": str(scratch / "standins"),
                "MUSTER_HEALTH__LISTEN_PORT": str(self.health),
                **settings,
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.health}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self) -> tuple[int, list[str]]:
        """Exit code and lines of stderr."""
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, errors.strip().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = Process(tmp_path)
    until(process.ready, "the service to be ready")
    process.process.send_signal(number)
    code, lines = process.end()
    assert code == 0
    events = [json.loads(line)["event"] for line in lines]
    assert events[-2:] == ["stopping", "stopped"]


def test_a_service_that_waits_for_its_database_can_be_stopped(tmp_path: Path) -> None:
    url = "postgresql://muster@127.0.0.1:1/muster"
    process = Process(tmp_path, "scheduler", MUSTER_DATABASE__URL=url)
    assert process.process.stderr is not None
    line = process.process.stderr.readline()
    assert "waiting_for_database" in line
    assert not process.ready()
    process.process.terminate()
    code, _ = process.end()
    assert code == 0


def test_wrong_settings_are_named_and_exit_with_2(tmp_path: Path) -> None:
    process = Process(
        tmp_path, MUSTER_API__LISTEN_PORT="99999", MUSTER_STANDINS__TOKEN_TTL_S="soon"
    )
    code, lines = process.end()
    assert code == 2
    assert len(lines) == 2
    assert "MUSTER_API__LISTEN_PORT" in lines[0] + lines[1]
    assert "MUSTER_STANDINS__TOKEN_TTL_S" in lines[0] + lines[1]


def test_an_unreadable_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[api\n")
    for name in ("bad.toml", "missing.toml"):
        code, lines = Process(tmp_path, MUSTER_CONFIG=str(tmp_path / name)).end()
        assert code == 2
        assert name in lines[0]


def test_a_taken_port_is_a_reason_not_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, lines = Process(tmp_path, MUSTER_STANDINS__LISTEN_PORT=port).end()
    assert code == 1
    last = json.loads(lines[-1])
    assert last["event"] == "cannot_run"
    assert port in last["reason"]


def test_a_database_that_does_not_exist_exits_with_3(tmp_path: Path) -> None:
    from deploy.local.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run")
    server.start(subprocess.DEVNULL)
    try:
        url = f"postgresql://muster@/elsewhere?host={server.socket_dir}"
        code, lines = Process(tmp_path, "scheduler", MUSTER_DATABASE__URL=url).end()
    finally:
        server.stop()
        server.remove()
    assert code == 3
    assert "elsewhere" in json.loads(lines[-1])["reason"]

"""The command line: exit codes, one-line problems, formats for scripts."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from deploy.cli.app import run
from deploy.cli.logs import readable


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["upp"], '"up"'),
        (["up", "--prt", "1"], "--port"),
        (["up", "--hosts", "many"], "--hosts"),
        (["up", "--hosts", "-1"], "negative"),
        (["up", "--broker-url", "amqp://x/"], "--processes"),
        (["up", "--agents", "2"], "--processes"),
        (["up", "--processes", "--agents", "0"], "--agents"),
        (["kill"], "muster kill compute-1"),
    ],
)
def test_what_is_not_understood_exits_with_2(
    line: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == 2
    problem = capsys.readouterr().err
    assert told in problem
    assert problem.count("\n") == 1


def test_without_a_cluster_commands_say_how_to_start_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["kill", "compute-1"]) == 1
    assert "./muster up" in capsys.readouterr().err
    assert run(["status"]) == 1
    assert "./muster up" in capsys.readouterr().out
    assert run(["down"]) == 0


def test_status_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "not running"


def test_config_show_is_toml_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_IDENTITY__PASSWORD", "tell-nobody")
    monkeypatch.setenv("MUSTER_DATABASE__URL", "postgresql://m:hunter2@h/d?password=hunter2")
    monkeypatch.setenv("MUSTER_BUS__URL", "amqp://m:hunter2@h:5672/")
    assert run(["config", "show"]) == 0
    text = capsys.readouterr().out
    assert tomllib.loads(text)["identity"]["username"] == "muster"
    assert "tell-nobody" not in text
    assert "hunter2" not in text
    assert tomllib.loads(text)["bus"]["url"] == "amqp://m:**********@h:5672/"


def test_a_wrong_setting_is_named_with_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_API__LISTEN_PORT", "99999")
    assert run(["up"]) == 2
    assert "MUSTER_API__LISTEN_PORT" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_DATABASE__URL", "postgresql://m:hunter2@127.0.0.1:1/muster")
    assert run(["db", "current"]) == 1
    problem = capsys.readouterr().err
    assert "MUSTER_DATABASE__URL" in problem
    assert "hunter2" not in problem
    assert problem.count("\n") == 1


def test_version_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"muster", "schema", "python"}


def test_log_lines_become_readable() -> None:
    line = (
        '{"event":"started","service":"api","level":"info",'
        '"timestamp":"2026-01-02T03:04:05.678901Z","port":8774}'
    )
    assert readable(line) == "03:04:05.678 info    api          started port=8774"
    assert readable("plain words") == "plain words"

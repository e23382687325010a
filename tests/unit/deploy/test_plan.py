"""What a local cluster consists of."""

from __future__ import annotations

import json
import os
import socket
import stat
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from common.config.exposure import is_loopback
from common.config.settings import Settings
from deploy.local import toml
from deploy.local.home import Home, LocalClusterError
from deploy.local.plan import (
    Options,
    common_for,
    make_plan,
    merged,
    write_clouds,
)
from deploy.local.processes import _plain

FREE = Options(port=0, identity_port=0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_one_process_has_one_of_each_controller_and_the_hosts_asked_for(home: Home) -> None:
    names = [member.name for member in make_plan(replace(FREE, hosts=2), home).members]
    assert names == [
        "standins",
        "api",
        "consoles",
        "metadata",
        "conductor-1",
        "scheduler-1",
        "compute-1",
        "compute-2",
    ]


@pytest.mark.parametrize(("hosts", "agents", "processes"), [(7, 3, 3), (2, 5, 2), (0, 2, 0)])
def test_hosts_may_share_processes(home: Home, hosts: int, agents: int, processes: int) -> None:
    plan = make_plan(replace(FREE, hosts=hosts, agents=agents, processes=True), home)
    computes = [m for m in plan.members if m.kind == "compute"]
    assert [m.name for m in computes] == [f"compute-agent-{n + 1}" for n in range(processes)]
    assert sorted(plan.hosts) == sorted(f"compute-{n + 1}" for n in range(hosts))
    shares = [len(m.settings["compute"]["hosts"]) for m in computes]
    assert max(shares, default=0) - min(shares, default=0) <= 1
    assert all(Settings(**m.settings).compute.hosts for m in computes)


def test_more_controllers_get_numbers(home: Home) -> None:
    plan = make_plan(replace(FREE, hosts=0, conductors=2, schedulers=2), home)
    assert [m.name for m in plan.members if m.kind in {"conductor", "scheduler"}] == [
        "conductor-1",
        "conductor-2",
        "scheduler-1",
        "scheduler-2",
    ]
    names = {m.settings[m.kind]["host_name"] for m in plan.members if m.kind == "scheduler"}
    assert names == {"scheduler-1", "scheduler-2"}


def test_each_host_has_a_state_directory_of_its_own(home: Home) -> None:
    plan = make_plan(replace(FREE, hosts=3), home)
    states = {m.settings["compute"]["state_dir"] for m in plan.members if m.kind == "compute"}
    assert len(states) == 3


def test_every_member_gets_valid_settings(home: Home) -> None:
    plan = make_plan(replace(FREE, hosts=1, spawn_delay_s=1.5), home)
    for member in plan.members:
        settings = Settings(**merged(plan.common, member.settings))
        assert settings.compute.simulated.spawn_delay_s == 1.5
        assert settings.identity.auth_url == plan.identity_url


def test_a_host_is_told_its_own_password_and_no_other(home: Home) -> None:
    plan = make_plan(replace(FREE, hosts=1, listen="0.0.0.0"), home)
    host = next(member for member in plan.members if member.kind == "compute")
    settings = _plain(Settings(**merged(common_for(host, plan.common), host.settings)).model_dump())
    assert settings["compute"]["identity"]["password"] == plan.passwords["host"]
    text = json.dumps(settings, default=str)
    told = [name for name, password in plan.passwords.items() if password in text]
    assert told == ["host"]


def test_passwords_of_an_older_cluster_are_kept_and_completed(home: Home) -> None:
    far = replace(FREE, listen="0.0.0.0")
    first = make_plan(far, home).passwords
    file = home.path / "passwords.json"
    file.write_text(json.dumps({name: first[name] for name in ("admin", "demo", "service")}))
    again = make_plan(far, home).passwords
    assert {**again, "host": ""} == {**first, "host": ""}
    assert again["host"] == make_plan(far, home).passwords["host"]


def test_a_taken_port_is_refused_with_its_holder_and_the_option(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalClusterError) as refused:
            make_plan(Options(port=port, identity_port=0), home)
    assert f":{port}" in str(refused.value)
    assert f"(pid {os.getpid()})" in str(refused.value)
    assert "--port" in str(refused.value)


def test_the_users_own_settings_hold_where_no_option_is_given(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_API__LISTEN_PORT", "0")
    monkeypatch.setenv("MUSTER_STANDINS__DEMO_PASSWORD", "chosen")
    plan = make_plan(Options(identity_port=0), home)
    assert not plan.api_url.endswith(":8774")
    assert plan.passwords["demo"] == "chosen"


def test_users_are_led_to_the_console_proxy_where_it_is(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_CONSOLES__SERIAL_BASE_URL", "wss://cloud.example/serial/")
    plan = make_plan(FREE, home)
    consoles = Settings(**plan.common).consoles
    assert plan.console_url == f"http://127.0.0.1:{consoles.listen_port}"
    assert consoles.novncproxy_base_url == f"{plan.console_url}/vnc_auto.html"
    assert consoles.serial_base_url == "wss://cloud.example/serial/"


def test_documented_passwords_only_on_loopback(home: Home) -> None:
    near = make_plan(FREE, home)
    assert near.passwords["admin"] == "admin"
    assert not near.passwords_generated
    far = make_plan(replace(FREE, listen="0.0.0.0"), home)
    assert far.passwords_generated
    assert len({"admin", "demo", "muster"} & set(far.passwords.values())) == 0
    again = make_plan(replace(FREE, listen="0.0.0.0"), home)
    assert again.passwords == far.passwords


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("h", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_clouds_file_is_private_and_names_both_users(home: Home) -> None:
    plan = make_plan(FREE, home)
    write_clouds(plan)
    assert stat.S_IMODE(home.clouds_file.stat().st_mode) == 0o600
    clouds = json.loads(home.clouds_file.read_text())["clouds"]
    assert clouds["demo"]["auth"]["project_name"] == "demo"
    assert clouds["admin"]["auth"]["auth_url"] == plan.identity_url


def test_settings_survive_their_file(home: Home) -> None:
    plan = make_plan(FREE, home)
    before = Settings(**merged(plan.common, {"bus": {"password": 'a"b%c\\d\n'}}))
    after = Settings(**tomllib.loads(toml.dump(_plain(before.model_dump()))))
    assert after == before


def test_a_deep_home_keeps_its_sockets_short(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("x" * 120))
    deep.prepare()
    assert len(str(deep.control_socket)) < 100
    assert deep.run != Home(tmp_path / ("y" * 120)).run
    deep.run.rmdir()


def test_a_home_that_cannot_be_made_is_one_line_of_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalClusterError, match="MUSTER_HOME"):
        Home(tmp_path / "file" / "home").prepare()

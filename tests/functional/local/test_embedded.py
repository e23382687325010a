"""`muster up`: one process."""

from __future__ import annotations

import os
import signal
import socket
import time

from deploy.cli.cloud import Cloud
from deploy.local.locked import is_locked
from tests.functional.local.conftest import Muster

DEADLINE_S = 30.0


def create_server(muster: Muster, name: str = "s1") -> str:
    """A server of the user demo, once it is ACTIVE; its id."""
    demo = Cloud(muster.home, "demo", microversion="2.37")
    body = {"server": {"name": name, "flavorRef": "1", "imageRef": image(demo), "networks": "none"}}
    server_id = str(demo.call("compute", "POST", "/servers", body)["server"]["id"])
    until(lambda: status_of(muster, server_id) == "ACTIVE", "the server to be ACTIVE")
    return server_id


def image(cloud: Cloud) -> str:
    return str(cloud.call("image", "GET", "/v2/images?name=cirros")["images"][0]["id"])


def status_of(muster: Muster, server_id: str) -> str:
    server = Cloud(muster.home).call("compute", "GET", f"/servers/{server_id}")["server"]
    return str(server["status"])


def until(condition: object, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"


def host_state(muster: Muster, host: str) -> str:
    return str(muster.status()["api_hosts"][host]["state"])


def test_the_life_of_a_cluster(muster: Muster) -> None:
    began = time.monotonic()
    told = muster.up("--hosts", "2")
    server = create_server(muster)
    assert time.monotonic() - began < 20, "an installed cluster serves in seconds"
    assert "compute-1, compute-2" in told
    assert set(muster.states().values()) == {"running"}
    assert "already" in muster.ok("up")

    # A stopped host says goodbye and is down at once; it comes back with `start`.
    assert "stopped" in muster.ok("stop", "compute-2")
    until(lambda: host_state(muster, "compute-2") == "down", "the goodbye to count")
    assert muster.run("status").returncode == 1
    assert "running" in muster.ok("start", "compute-2")
    until(lambda: host_state(muster, "compute-2") == "up", "the host to be back")

    # A killed one says nothing: it is not yet known to be down.
    assert "killed" in muster.ok("kill", "compute-2")
    assert host_state(muster, "compute-2") == "up"
    assert "running" in muster.ok("start", "compute-2")

    assert "frozen" in muster.ok("freeze", "compute-1")
    assert "running" in muster.ok("thaw", "compute-1")
    refused = muster.run("freeze", "api")
    assert refused.returncode == 1
    assert "--processes" in refused.stderr
    assert "compute-1" in muster.run("kill", "compute-9").stderr

    # What it knew it knows again.
    muster.ok("down")
    assert not is_locked(muster.home)
    muster.up("--hosts", "2")
    assert status_of(muster, server) == "ACTIVE"


def test_a_killed_cluster_comes_back_as_it_was(muster: Muster) -> None:
    muster.up("--hosts", "1")
    server = create_server(muster)
    os.kill(muster.status()["pid"], signal.SIGKILL)
    until(lambda: not is_locked(muster.home), "the cluster to be dead")
    assert muster.status()["state"] == "not running"
    muster.up("--hosts", "1")
    assert status_of(muster, server) == "ACTIVE"


def test_every_service_can_be_killed_and_started(muster: Muster) -> None:
    muster.up("--hosts", "1")
    names = list(muster.states())
    for name in names:
        muster.ok("kill", name)
        assert muster.states()[name] == "killed"
        muster.ok("start", name)
    assert set(muster.states().values()) == {"running"}
    create_server(muster)


def test_a_taken_port_is_one_line_that_names_it(muster: Muster) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = muster.run("up", "--port", str(port), "--identity-port", "0")
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert str(port) in last
    assert "--port" in last
    assert "Traceback" not in refused.stderr
    assert muster.status()["state"] == "not running"


def test_the_demo_sees_every_state_and_leaves_nothing(muster: Muster) -> None:
    told = muster.ok("demo")
    seen = [
        line.split(": ", 1)[1].split(" (")[0]
        for line in told.splitlines()
        if line.startswith("   host_status of")
    ]
    assert seen == ["UP", "UP", "UP", "UNKNOWN", "DOWN", "UP", "MAINTENANCE", "UP"]
    assert muster.status()["state"] == "not running"

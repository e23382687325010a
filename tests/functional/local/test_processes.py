"""`muster up --processes`: RabbitMQ and a process for each service."""

from __future__ import annotations

import json
import os
import signal

from deploy.cli.cloud import CloudError
from deploy.local.locked import is_locked
from deploy.local.memory import tree_pss_mib
from tests.functional.local.conftest import Muster
from tests.functional.local.test_embedded import create_server, host_state, status_of, until

LARGEST_MIB = 490.0
"""What the whole cluster may take, without the broker: a laptop has other things to do. Each kind
of service takes 35 to 40."""


def accepts_servers(muster: Muster) -> bool:
    try:
        create_server(muster, "probe")
    except CloudError as error:
        if error.status != 503:
            raise
        return False
    return True


def test_the_life_of_a_cluster_of_processes(muster: Muster) -> None:
    muster.up("--processes")
    server = create_server(muster)
    status = muster.status()
    pids = {service["name"]: service["pid"] for service in status["services"]}
    assert len(set(pids.values())) == len(pids)
    assert set(muster.states().values()) == {"running"}

    members = [pid for name, pid in pids.items() if name != "rabbitmq"]
    used_mib = sum(map(tree_pss_mib, members))
    assert 0 < used_mib < LARGEST_MIB

    # Killed means killed: nobody restarts it.
    assert "killed" in muster.ok("kill", "compute-1")
    assert muster.states()["compute-1"] == "killed"
    assert "running" in muster.ok("start", "compute-1")

    assert "frozen" in muster.ok("freeze", "conductor-1")
    create_server(muster, "while one conductor is frozen")
    assert "running" in muster.ok("thaw", "conductor-1")

    assert "stopped" in muster.ok("stop", "compute-3")
    until(lambda: host_state(muster, "compute-3") == "down", "the goodbye to count")

    for name in ("rabbitmq", "postgres"):
        muster.ok("kill", name)
        muster.ok("start", name)
    # Both need a moment; until then the API says so (503) and nothing is lost.
    until(lambda: accepts_servers(muster), "the cluster to recover")
    create_server(muster, "after broker and database came back")

    muster.ok("down")
    muster.up("--processes")
    assert status_of(muster, server) == "ACTIVE"


def test_a_host_that_is_cut_off_runs_on_and_is_heard_again(muster: Muster) -> None:
    timers = {
        "MUSTER_SERVICEGROUP__REPORT_INTERVAL_S": "0.5",
        "MUSTER_SERVICEGROUP__SERVICE_DOWN_TIME_S": "2",
    }
    here = ["--port", "0", "--identity-port", "0"]
    muster.ok("up", "--processes", "--cuttable", "--hosts", "1", *here, **timers)
    create_server(muster)
    assert "cut off" in muster.ok("cut", "compute-1")
    until(lambda: host_state(muster, "compute-1") == "down", "silence to count")
    assert muster.states()["compute-1"] == "cut off"
    assert "running" in muster.ok("mend", "compute-1")
    until(lambda: host_state(muster, "compute-1") == "up", "the host to be heard again")
    for name in ("conductor-1", "conductor-2", "api"):
        muster.ok("cut", name)
        muster.ok("mend", name)
    until(lambda: accepts_servers(muster), "the cluster to recover")
    refused = muster.run("cut", "postgres")
    assert refused.returncode == 1
    assert "no line from 'postgres'" in refused.stderr
    muster.ok("cut", "compute-1")
    muster.ok("down")  # in order all the same: what is cut off is mended first


def test_a_cluster_without_a_relay_cannot_be_cut(muster: Muster) -> None:
    muster.up("--hosts", "1")
    refused = muster.run("cut", "compute-1")
    assert refused.returncode == 1
    assert "--cuttable" in refused.stderr


def test_a_killed_supervisor_leaves_nothing_in_the_way(muster: Muster) -> None:
    muster.up("--processes", "--hosts", "1")
    os.kill(muster.status()["pid"], signal.SIGKILL)
    until(lambda: not is_locked(muster.home), "the supervisor to be dead")
    muster.up("--processes", "--hosts", "1")
    create_server(muster)


def test_given_services_that_do_not_answer_are_named_at_once(muster: Muster) -> None:
    here = ["--port", "0", "--identity-port", "0"]
    broker = muster.run("up", "--processes", *here, "--broker-url", "amqp://m:secret@127.0.0.1:1/")
    database = muster.run("up", *here, "--database-url", "postgresql://m@127.0.0.1:1/m")
    for refused, option in ((broker, "--broker-url"), (database, "--database-url")):
        assert refused.returncode == 1
        last = refused.stderr.strip().splitlines()[-1]
        assert option in last
        assert "127.0.0.1:1/" in last
        assert "secret" not in refused.stderr + refused.stdout
        assert "Traceback" not in refused.stderr


def test_many_hosts_in_few_processes_are_watched_and_all_shown_as_alive(muster: Muster) -> None:
    size = ["--hosts", "20", "--processes", "2", "--conductors", "1"]
    time = ["--minutes", "0.1", "--report-interval", "0.5"]
    found = json.loads(muster.ok("bench", "hosts", *size, *time, "--json"))
    looks = found["looks"]
    assert (looks["wrong"], looks["hosts_wrong"], looks["failed"]) == (0, {}, {})
    assert looks["database"] >= 3
    assert looks["api"] >= 1
    assert {"compute", "conductor", "postgres", "rabbitmq"} <= found["cpu_percent"].keys()
    assert found["memory_mib"]["compute"] > 0
    # Heartbeats of all hosts are written together; each is an update of one row.
    assert found["updates_per_s"]["services"] > 10 > found["commits_per_s"]
    assert found["hot_percent"]["services"] > 90


def test_a_bench_of_hosts_that_makes_no_sense_is_refused(muster: Muster) -> None:
    for wrong in (["--hosts", "0"], ["--minutes", "0"], ["--minutes", "nan"], ["--processes", "0"]):
        refused = muster.run("bench", "hosts", *wrong)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr

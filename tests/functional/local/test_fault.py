"""`muster fault`, on both kinds of cluster."""

from __future__ import annotations

import json

import pytest

from deploy.cli.cloud import Cloud
from tests.functional.local.conftest import Muster
from tests.functional.local.test_embedded import create_server, image, until


@pytest.mark.parametrize("mode", [[], ["--processes", "--conductors", "1"]], ids=["one", "many"])
def test_rules_of_a_running_cluster(muster: Muster, mode: list[str]) -> None:
    muster.up("--hosts", "2", "--spawn-delay", "0", *mode)
    added = json.loads(
        muster.ok("fault", "add", "error", "--verb", "spawn", "--message", "on fire", "--json")
    )
    assert [rule["host"] for rule in added] == ["compute-1", "compute-2"]
    demo = Cloud(muster.home, "demo", microversion="2.37")
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": image(demo), "networks": "none"}}
    server = demo.call("compute", "POST", "/servers", body)["server"]["id"]

    def shown() -> str:
        return str(demo.call("compute", "GET", f"/servers/{server}")["server"]["status"])

    until(lambda: shown() == "ERROR", "the server to be in ERROR")
    rules = json.loads(muster.ok("fault", "list", "--json"))
    assert [rule["fired"] for rule in rules] == [1, 1], "the build went to the other host too"
    assert "compute-2-fault" in muster.ok("fault", "list", "--host", "compute-2")

    one = added[0]["id"]
    assert [r["id"] for r in json.loads(muster.ok("fault", "clear", one, "--json"))] == [one]
    again = muster.run("fault", "clear", one)
    assert (again.returncode, "no fault rule" in again.stderr) == (1, True)
    assert added[1]["id"] in muster.ok("fault", "clear")
    assert "No fault rules" in muster.ok("fault", "list")
    create_server(muster, "now it works")

    muster.ok("kill", "compute-2")
    refused = muster.run("fault", "add", "hang", "--host", "compute-2")
    assert (refused.returncode, "compute-2 is killed" in refused.stderr) == (1, True)
    wrong = muster.run("fault", "add", "error", "--verb", "fly")
    assert (wrong.returncode, "verb: no such verb 'fly'; choose one of" in wrong.stderr) == (
        1,
        True,
    )

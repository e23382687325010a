"""The checker sees every instant in which a server runs on two hosts, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.runtime.ports import Clock
from services.compute.drivers.simulated.log import (
    DriverLog,
    Interval,
    Overlap,
    overlaps,
    running_intervals,
)


def write_log(directory: Path, *rows: tuple[float, str, str | None], alive: float = 0.0) -> Path:
    directory.mkdir()
    lines = [
        json.dumps(
            {
                "t": t,
                "mono": t,
                "host": directory.name,
                "uuid": uuid,
                "generation": 1,
                "event": event,
                "executed_until": t,
            }
        )
        for t, event, uuid in rows
    ]
    path = directory / "driver.log"
    path.write_text("".join(line + "\n" for line in lines))
    if alive:
        (directory / "alive").write_text(str(alive))
    return path


def test_overlap_is_found(tmp_path: Path) -> None:
    logs = [
        write_log(tmp_path / "a", (10, "running", "s"), (20, "stopped", "s"), alive=30),
        write_log(tmp_path / "b", (19, "running", "s"), (40, "destroyed", "s"), alive=40),
    ]
    first, second = Interval("a", 1, 10, 20), Interval("b", 1, 19, 40)
    assert running_intervals(logs) == {"s": [first, second]}
    assert overlaps(running_intervals(logs)) == [Overlap("s", 19, 20, first, second)]
    assert overlaps(running_intervals(logs), tolerance_s=1) == []


def test_a_long_interval_hides_no_later_overlap() -> None:
    long, short, late = Interval("a", 1, 0, 100), Interval("a", 1, 1, 2), Interval("b", 2, 50, 60)
    assert [(o.start, o.end) for o in overlaps({"s": [late, short, long]})] == [(50, 60)]


def test_an_overlap_of_three_hosts_is_found_pair_by_pair() -> None:
    three = [Interval(host, 1, 0, 10) for host in "abc"]
    assert len(overlaps({"s": three})) == 3


def test_one_after_the_other_is_no_overlap(tmp_path: Path) -> None:
    logs = [
        write_log(tmp_path / "a", (10, "running", "s"), (20, "held", "s"), (30, "destroyed", "s")),
        write_log(tmp_path / "b", (20, "running", "s"), (21, "running", "other"), alive=50),
    ]
    assert overlaps(running_intervals(logs)) == []


def test_a_host_that_never_came_back_ran_until_its_last_tick(tmp_path: Path) -> None:
    logs = [
        write_log(tmp_path / "a", (10, "running", "s"), alive=15),
        write_log(tmp_path / "b", (14, "running", "s"), alive=20),
    ]
    assert [(o.start, o.end) for o in overlaps(running_intervals(logs))] == [(14, 15)]


def test_a_host_without_a_mark_counts_as_running_for_ever(tmp_path: Path) -> None:
    """What cannot be known must not hide an overlap."""
    logs = [
        write_log(tmp_path / "a", (10, "running", "s")),
        write_log(tmp_path / "b", (1000, "running", "s"), (1001, "stopped", "s")),
    ]
    assert len(overlaps(running_intervals(logs))) == 1


def test_the_next_life_ends_what_the_last_left_open(tmp_path: Path) -> None:
    rows = [(10, "running", "s"), (15, "host_started", None), (40, "running", "s")]
    log = write_log(tmp_path / "a", *rows, alive=50)
    found = running_intervals([log])["s"]
    assert [(interval.start, interval.end) for interval in found] == [(10, 15), (40, 50)]


def test_held_and_released_without_running_is_no_interval(tmp_path: Path) -> None:
    rows = [(10, "held", "s"), (20, "released", "s"), (30, "destroyed", "s")]
    assert running_intervals([write_log(tmp_path / "a", *rows, alive=50)]) == {}


def test_only_the_last_line_may_be_torn(tmp_path: Path) -> None:
    log = write_log(tmp_path / "a", (10, "running", "s"), (20, "stopped", "s"))
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"t": 3')
    assert len(running_intervals([log])["s"]) == 1
    log.write_bytes(b'{"t": 3\n' + whole)
    with pytest.raises(ValueError, match=r"driver\.log:1"):
        running_intervals([log])


def test_a_torn_line_is_cut_off_at_the_next_start(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a", (10, "running", "s"), (20, "stopped", "s"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"t": 3')
    log = DriverLog("a", tmp_path / "a", Clock())
    log.open()
    log.write("running", "s", 2, t=30)
    log.mark_alive(35.5)
    log.close()
    assert path.read_bytes().startswith(whole)
    assert running_intervals([path])["s"][1] == Interval("a", 2, 30, 35.5)

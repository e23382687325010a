"""Each end of a promise, in the copy it is counted in."""

from __future__ import annotations

from uuid import uuid4

from services.scheduler.hosts import Hosts
from services.scheduler.promises import Promises
from tests.unit.scheduler.harness import Host, hosts_of

AMOUNTS = (1, 1024, 10)
FIRST, SECOND = uuid4(), uuid4()


def read_at(time: float, *names: str) -> Hosts:
    hosts = hosts_of(*(Host(name) for name in names or ("a", "b")))
    hosts.read_at = time
    return hosts


def promised(hosts: Hosts) -> dict[str, tuple[int, int]]:
    """MiB and number, for hosts where there is any."""
    return {
        name: (int(hosts.promised[1, n]), int(hosts.promises[n]))
        for n, name in enumerate(hosts.names)
        if hosts.promises[n]
    }


def started(copy: Hosts) -> Promises:
    promises = Promises(promise_s=2.0)
    promises.carry_over(copy, [])
    return promises


def test_a_promise_counts_in_the_copy_it_was_made_from_and_in_later_ones() -> None:
    copy = read_at(10.0)
    promises = started(copy)
    promises.make(FIRST, "a", AMOUNTS, now=10.1)
    promises.make(SECOND, "a", AMOUNTS, now=10.2)
    assert promised(copy) == {"a": (2048, 2)}
    later = read_at(11.0)
    promises.carry_over(later, [])
    assert promised(later) == {"a": (2048, 2)}
    assert promises.hosts() == {FIRST: "a", SECOND: "a"}


def test_it_ends_when_a_copy_shows_the_claim() -> None:
    promises = started(read_at(10.0))
    promises.make(FIRST, "a", AMOUNTS, now=10.1)
    promises.make(SECOND, "a", AMOUNTS, now=10.1)
    copy = read_at(10.3)
    promises.carry_over(copy, [SECOND, uuid4()])
    assert promised(copy) == {"a": (1024, 1)}


def test_it_ends_with_the_first_copy_read_late_enough() -> None:
    promises = started(read_at(10.0))
    promises.make(FIRST, "a", AMOUNTS, now=10.1)
    promises.make(SECOND, "b", AMOUNTS, now=10.9)
    copy = read_at(12.5)
    promises.carry_over(copy, [])
    assert promised(copy) == {"b": (1024, 1)}


def test_another_answer_takes_its_place() -> None:
    copy = read_at(10.0)
    promises = started(copy)
    promises.make(FIRST, "a", AMOUNTS, now=10.1)
    promises.make(FIRST, "b", (2, 2048, 20), now=10.2)
    assert promised(copy) == {"b": (2048, 1)}
    promises.withdraw(FIRST)
    promises.withdraw(FIRST)
    assert promised(copy) == {}
    assert not copy.promised.any()


def test_a_host_that_is_not_in_the_next_copy_is_no_trouble() -> None:
    promises = started(read_at(10.0))
    promises.make(FIRST, "a", AMOUNTS, now=10.1)
    copy = read_at(10.2, "b")
    promises.carry_over(copy, [])
    promises.withdraw(FIRST)
    assert promised(copy) == {}

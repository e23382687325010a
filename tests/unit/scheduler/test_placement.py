"""What a plan promises, by example and for any cluster."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.requested import Requested
from services.scheduler.filters import FILTERS
from services.scheduler.hosts import Group, Kind, Request
from services.scheduler.placement import no_valid_host
from tests.unit.scheduler.harness import Host, chosen, hosts_of, plan_for

SMALL = Request((1, 512, 1))
GOOD = Host("good", metadata={"ssd": "true"})

OTHER_KIND = Kind("VMware", 1, {}, [["aarch64", "vmware", "hvm"]])

# One host that only this filter removes, beside a good one.
REMOVED_BY = {
    "ForcedHostFilter": (Host("bad"), replace(SMALL, force_host="good")),
    "RetryFilter": (Host("bad"), replace(SMALL, exclude_hosts=frozenset({"bad", "unknown"}))),
    "RequestedHostFilter": (Host("bad"), replace(SMALL, requested_host="good")),
    "ComputeFilter (down)": (Host("bad", alive=False), SMALL),
    "ComputeFilter (disabled)": (Host("bad", enabled=False), SMALL),
    "AvailabilityZoneFilter": (
        Host("bad", zone="west"),
        replace(SMALL, availability_zone="nova"),
    ),
    "SameHostFilter": (Host("bad"), replace(SMALL, same_hosts=frozenset({"good"}))),
    "DifferentHostFilter": (Host("bad"), replace(SMALL, different_hosts=frozenset({"bad"}))),
    "TraitFilter": (
        Host("bad", kind=OTHER_KIND),
        replace(SMALL, requested=Requested(0, 0, 0, required=frozenset({"HW_ARCH_X86_64"}))),
    ),
    "IsolatedHostsFilter": (Host("isolated"), SMALL),
    "AggregateMultiTenancyIsolation": (
        Host("bad", metadata={"filter_tenant_id2": "red,green"}),
        replace(SMALL, project_id="blue"),
    ),
    "AggregateTypeAffinityFilter": (
        Host("bad", metadata={"instance_type": "m2,m3"}),
        replace(SMALL, flavor_name="m1"),
    ),
    "AggregateInstanceExtraSpecsFilter": (
        Host("bad", metadata={"ssd": "false", "gpu": "true"}),
        replace(SMALL, extra_specs={"aggregate_instance_extra_specs:ssd": "true"}),
    ),
    "AggregateImagePropertiesIsolation": (
        Host("bad", metadata={"os_distro": "debian,ubuntu"}),
        replace(SMALL, image_properties={"os_distro": "windows", "other": 1}),
    ),
    "ImagePropertiesFilter": (
        Host("bad", kind=OTHER_KIND),
        replace(SMALL, image_properties={"hw_architecture": "x86_64"}),
    ),
    "ComputeCapabilitiesFilter": (
        Host("bad", kind=OTHER_KIND),
        replace(SMALL, extra_specs={"capabilities:cpu_info:arch": "s== x86_64"}),
    ),
    "JsonFilter": (
        Host("bad", kind=OTHER_KIND),
        replace(SMALL, hints={"query": '["=", "$hypervisor_type", "QEMU"]'}),
    ),
    "SimpleCIDRAffinityFilter": (
        Host("bad", address="192.0.3.1"),
        replace(SMALL, hints={"build_near_host_ip": "192.0.2.77"}),
    ),
    "ServerGroupAntiAffinityFilter": (
        Host("bad"),
        replace(SMALL, group=Group("anti-affinity", 2, {"bad": 2, "good": 1, "unknown": 9})),
    ),
    "ServerGroupAffinityFilter": (
        Host("bad"),
        replace(SMALL, group=Group("affinity", others={"good": 3})),
    ),
    "IoOpsFilter": (Host("bad", busy=8), SMALL),
    "AggregateIoOpsFilter": (Host("bad", busy=2, metadata={"max_io_ops_per_host": "3,2"}), SMALL),
    "NumInstancesFilter": (Host("bad", allocations=50), SMALL),
    "AggregateNumInstancesFilter": (
        Host("bad", allocations=2, metadata={"max_instances_per_host": "2"}),
        SMALL,
    ),
    "RamFilter": (Host("bad", used=(0, 7681, 0)), SMALL),
    "CoreFilter": (Host("bad", used=(64, 0, 0)), SMALL),
    "DiskFilter": (Host("bad", used=(0, 0, 100)), SMALL),
}


def test_what_nobody_offers_is_found_nowhere() -> None:
    wanted = replace(SMALL, requested=Requested(0, 0, 0, others=frozenset({"PCPU"})))
    for request in (wanted, replace(wanted, force_host="good")):
        plan = plan_for(hosts_of(GOOD), request)
        assert plan.eliminated == {"ResourceClassFilter": 1}


@pytest.mark.parametrize(
    "name", [each.name for each in FILTERS if each.name != "ResourceClassFilter"]
)
def test_each_filter_removes_what_it_is_for_and_says_so(name: str) -> None:
    bad, request = REMOVED_BY[name]
    hosts = hosts_of(bad, GOOD)
    plan = plan_for(hosts, request, isolated_hosts=["isolated"])
    assert chosen(hosts, plan) == ["good"]
    assert plan.eliminated == {name: 1}


def test_room_that_is_exactly_enough_is_enough() -> None:
    hosts = hosts_of(Host("a", used=(63, 7680, 99)))
    assert chosen(hosts, plan_for(hosts, SMALL)) == ["a"]


def test_one_server_may_not_ask_more_than_a_host_has() -> None:
    hosts = hosts_of(Host("a", total=(16, 8192, 100), usable=(64, 8192, 100)))
    assert plan_for(hosts, Request((17, 512, 1))).eliminated == {"CoreFilter": 1}
    assert not plan_for(hosts, Request((16, 512, 1))).eliminated


def test_nothing_asked_fits_where_too_much_is_used() -> None:
    hosts = hosts_of(Host("a", used=(0, 0, 500)))
    assert chosen(hosts, plan_for(hosts, Request((1, 512, 0)))) == ["a"]


def test_a_forced_host_skips_filters_but_not_capacity() -> None:
    out_of_service = Host("a", zone="west", enabled=False, alive=False)
    request = replace(
        SMALL,
        force_host="a",
        availability_zone="nova",
        same_hosts=frozenset(),
        different_hosts=frozenset({"a"}),
        image_properties={"hw_architecture": "sparc"},
    )
    hosts = hosts_of(out_of_service, GOOD)
    assert chosen(hosts, plan_for(hosts, request)) == ["a"]
    full = hosts_of(replace(out_of_service, used=(0, 8192, 0)), GOOD)
    plan = plan_for(full, request)
    assert plan.eliminated == {"ForcedHostFilter": 1, "RamFilter": 1}
    assert not plan.candidates.size


def test_a_forced_host_keeps_the_policy_of_the_group() -> None:
    hosts = hosts_of(Host("a"), Host("b"))
    for group in (Group("anti-affinity", 1, {"a": 1}), Group("affinity", others={"b": 1})):
        plan = plan_for(hosts, replace(SMALL, force_host="a", group=group))
        assert not plan.candidates.size
        assert len(plan.eliminated) == 2


def test_a_forced_host_that_has_failed_is_not_tried_again() -> None:
    hosts = hosts_of(GOOD)
    request = replace(SMALL, force_host="good", exclude_hosts=frozenset({"good"}))
    assert plan_for(hosts, request).eliminated == {"RetryFilter": 1}


def test_same_host_of_servers_that_have_none_is_nowhere() -> None:
    plan = plan_for(hosts_of(GOOD), replace(SMALL, same_hosts=frozenset()))
    assert plan.eliminated == {"SameHostFilter": 1}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Host("better"), Host("worse", used=(0, 4096, 0))),
        (Host("better"), Host("worse", used=(32, 0, 0))),
        (Host("better"), Host("worse", used=(0, 0, 50))),
        (Host("better"), Host("worse", failed_builds=1)),
        (Host("better"), Host("worse", allocations=1)),
        (Host("better"), Host("worse", version=7_001_009)),
        (Host("better"), Host("worse", busy=1)),
        (Host("better", allocations=9), Host("worse", used=(0, 1, 0))),
    ],
    ids=[
        "ram",
        "cpu",
        "disk",
        "build_failure",
        "fewest allocations",
        "version",
        "io_ops",
        "weight first",
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_each_weigher_prefers_what_it_is_for(better: Host, worse: Host, seed: int) -> None:
    for pair in ((better, worse), (worse, better)):
        hosts = hosts_of(*pair)
        assert chosen(hosts, plan_for(hosts, SMALL, seed)) == ["better", "worse"]


def test_a_negative_multiplier_stacks() -> None:
    hosts = hosts_of(Host("empty"), Host("fuller", used=(0, 4096, 0)))
    plan = plan_for(hosts, SMALL, ram_weight_multiplier=-1.0)
    assert chosen(hosts, plan) == ["fuller", "empty"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("soft-affinity", ["many", "few", "none"]), ("soft-anti-affinity", ["none", "few", "many"])],
)
def test_soft_policies_are_preferences(policy: str, expected: list[str]) -> None:
    hosts = hosts_of(Host("none"), Host("many", allocations=3), Host("few", allocations=1))
    group = Group(policy, others={"many": 3, "few": 1, "unknown": 1})
    assert chosen(hosts, plan_for(hosts, replace(SMALL, group=group))) == expected


def test_servers_are_packed_where_their_number_counts() -> None:
    hosts = hosts_of(Host("empty"), Host("fuller", allocations=5))
    plan = plan_for(hosts, SMALL, num_instances_weight_multiplier=1.0)
    assert chosen(hosts, plan) == ["fuller", "empty"]


def test_aggregates_have_multipliers_of_their_own() -> None:
    """The least of several; what is no number does not count."""
    full = {"used": (0, 4096, 0)}
    plain = hosts_of(Host("full", **full), Host("empty"))  # type: ignore[arg-type]
    assert chosen(plain, plan_for(plain, SMALL)) == ["empty", "full"]
    stacking = {"ram_weight_multiplier": "-2.0, 5"}
    hosts = hosts_of(Host("full", **full), Host("empty", metadata=stacking))  # type: ignore[arg-type]
    assert chosen(hosts, plan_for(hosts, SMALL)) == ["full", "empty"]
    nonsense = {"ram_weight_multiplier": "much"}
    hosts = hosts_of(Host("full", **full), Host("empty", metadata=nonsense))  # type: ignore[arg-type]
    assert chosen(hosts, plan_for(hosts, SMALL)) == ["empty", "full"]


def test_a_failed_build_outweighs_everything_else() -> None:
    hosts = hosts_of(Host("failed", failed_builds=1), Host("full", used=(60, 7000, 90)))
    plan = plan_for(hosts, SMALL, build_failure_weight_multiplier=1e6)
    assert chosen(hosts, plan) == ["full", "failed"]


def test_schedulers_with_different_seeds_start_on_different_hosts() -> None:
    hosts = hosts_of(*(Host(f"h{n}") for n in range(20)))
    firsts = {chosen(hosts, plan_for(hosts, SMALL, seed))[0] for seed in range(40)}
    assert len(firsts) > 10


def test_what_is_promised_counts_but_is_not_the_truth() -> None:
    hosts = hosts_of(Host("a", usable=(64, 1024, 100)))
    amounts = (1, 1024, 1)
    hosts.promise(0, amounts)
    assert plan_for(hosts, SMALL).eliminated == {"RamFilter": 1}
    assert chosen(hosts, plan_for(hosts.without_promises(), SMALL)) == ["a"]
    assert plan_for(hosts, SMALL).eliminated == {"RamFilter": 1}
    hosts.withdraw(0, amounts)
    assert chosen(hosts, plan_for(hosts, SMALL)) == ["a"]


def test_servers_that_need_nothing_are_spread_by_promises_as_well() -> None:
    hosts = hosts_of(Host("a"), Host("b", allocations=1))
    nothing = Request((0, 0, 0))
    assert chosen(hosts, plan_for(hosts, nothing))[0] == "a"
    for _ in range(2):
        hosts.promise(0, nothing.amounts)
    assert chosen(hosts, plan_for(hosts, nothing))[0] == "b"


@pytest.mark.parametrize(
    ("considered", "eliminated", "sentence"),
    [
        (0, {}, "No valid host was found. No host has registered yet."),
        (1, {"RamFilter": 1}, "No valid host was found. 1 host: 1 removed by RamFilter."),
        (
            10_000,
            {"ComputeFilter (down)": 9_940, "RamFilter": 60},
            (
                "No valid host was found. 10,000 hosts: 9,940 removed by ComputeFilter (down),"
                " 60 by RamFilter."
            ),
        ),
    ],
)
def test_the_sentence_in_the_fault(
    considered: int, eliminated: dict[str, int], sentence: str
) -> None:
    assert no_valid_host(considered, eliminated) == sentence


names = st.sampled_from([f"h{n}" for n in range(8)])
triples = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
some_hosts = st.lists(
    st.builds(
        Host,
        name=names,
        zone=st.sampled_from(["nova", "west"]),
        enabled=st.sampled_from([True, True, False]),
        alive=st.sampled_from([True, True, False]),
        total=triples,
        usable=triples,
        used=triples,
        allocations=st.integers(0, 3),
        failed_builds=st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda host: host.name,
)
some_names = st.frozensets(names, max_size=3)
requests = st.builds(
    Request,
    amounts=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    availability_zone=st.sampled_from([None, None, "nova", "west"]),
    force_host=st.none() | st.none() | names,
    requested_host=st.none() | st.none() | names,
    exclude_hosts=some_names,
    same_hosts=st.none() | st.none() | some_names,
    different_hosts=some_names,
)


def has_room(host: Host, request: Request) -> bool:
    return all(
        amount == 0 or (amount <= total and used + amount <= usable)
        for amount, total, usable, used in zip(
            request.amounts, host.total, host.usable, host.used, strict=True
        )
    )


def may_take(host: Host, request: Request) -> bool:
    """The rules again, one host at a time."""
    if host.name in request.exclude_hosts or not has_room(host, request):
        return False
    if request.force_host is not None:
        return host.name == request.force_host
    return (
        host.alive
        and host.enabled
        and request.requested_host in {None, host.name}
        and request.availability_zone in {None, host.zone}
        and (request.same_hosts is None or host.name in request.same_hosts)
        and host.name not in request.different_hosts
    )


@given(some_hosts, requests, st.integers(0, 2**32))
def test_candidates_are_exactly_the_hosts_that_may_take_it(
    cluster: list[Host], request: Request, seed: int
) -> None:
    hosts = hosts_of(*cluster)
    plan = plan_for(hosts, request, seed)
    assert sorted(chosen(hosts, plan)) == sorted(h.name for h in cluster if may_take(h, request))


@given(some_hosts, requests)
def test_every_host_is_a_candidate_or_counted_once(cluster: list[Host], request: Request) -> None:
    plan = plan_for(hosts_of(*cluster), request)
    assert plan.considered == len(cluster)
    assert sum(plan.eliminated.values()) + len(plan.candidates) == len(cluster)
    assert all(plan.eliminated.values())
    assert plan.reason.startswith("No valid host was found.")


@given(some_hosts, requests, st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_plan(
    cluster: list[Host], request: Request, seed: int
) -> None:
    hosts = hosts_of(*cluster)
    first, second = plan_for(hosts, request, seed), plan_for(hosts, request, seed)
    assert chosen(hosts, first) == chosen(hosts, second)
    assert first.eliminated == second.eliminated


@given(some_hosts, requests)
def test_a_plan_changes_nothing(cluster: list[Host], request: Request) -> None:
    hosts = hosts_of(*cluster)
    before = copy.deepcopy(hosts)
    plan_for(hosts, request)
    for name, value in vars(before).items():
        assert np.array_equal(value, getattr(hosts, name)), name

"""What single filters make of odd requests and of odd hosts; the list of those that are asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from common.config.scheduler import SchedulerSettings
from services.scheduler.filters import FILTERS, enabled
from services.scheduler.filters.image_properties import satisfies
from services.scheduler.hosts import Group, Kind, Request
from services.scheduler.operators import match
from tests.unit.scheduler.harness import KIND, Host, chosen, hosts_of, plan_for

SMALL = Request((1, 512, 1))


def passing(*hosts: Host, settings: dict[str, Any] | None = None, **request: Any) -> list[str]:
    """Names of those that may have it, in the order given."""
    cluster = hosts_of(*hosts)
    plan = plan_for(cluster, replace(SMALL, **request), **settings or {})
    return [host.name for host in hosts if host.name in chosen(cluster, plan)]


def test_claims_insist_on_filters_that_cannot_be_left_out() -> None:
    always = {each.setting for each in enabled([])}
    assert always == {each.setting for each in FILTERS if not each.optional}
    assert {
        "RamFilter",
        "CoreFilter",
        "DiskFilter",
        "ComputeFilter",
        "AvailabilityZoneFilter",
        "ServerGroupAffinityFilter",
        "ServerGroupAntiAffinityFilter",
    } < always


def test_the_defaults_are_there_and_what_is_not_is_named() -> None:
    defaults = {each.setting for each in enabled(SchedulerSettings().enabled_filters)}
    assert {"ImagePropertiesFilter", "SameHostFilter"} < defaults
    assert not {"JsonFilter", "IoOpsFilter"} & defaults
    with_all = enabled([*(each.setting for each in FILTERS), "AllHostsFilter"])
    assert with_all == FILTERS
    with pytest.raises(ValueError, match="there is no JasonFilter, MetricsFilter"):
        enabled(["RamFilter", "MetricsFilter", "JasonFilter"])


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        ("12", "= 12", True),
        ("13", "= 12", True),
        ("11", "= 12", False),
        ("12.0", "== 12", True),
        ("12", "!= 12", False),
        ("12", ">= 13", False),
        ("12", "<= 12", True),
        ("many", "== 12", False),
        ("abc", "s== abc", True),
        ("abc", "s!= abc", False),
        ("b", "s> a", True),
        ("b", "s>= c", False),
        ("a", "s< b", True),
        ("a", "s<= a", True),
        ("12311321", "<in> 11", True),
        ("12310321", "<in> 11", False),
        ("aes mmx sse", "<all-in> aes sse", True),
        ("aes mmx", "<all-in> aes sse", False),
        ("b", "<or> a <or> b", True),
        ("c", "<or> a <or> b", False),
        ("<or>", "<or> a <or> b", False),
        ("true", "true", True),
        ("true", "True", False),
        ("", "", True),
        ("x", "", False),
        ("x", "==", False),
        (None, "x", False),
        (None, "s!= x", False),
    ],
)
def test_operators(value: str | None, wanted: str, expected: bool) -> None:
    assert match(value, wanted) is expected


@pytest.mark.parametrize(
    ("version", "predicate", "expected"),
    [
        (7_002_000, ">=6.0", True),
        (7_002_000, ">=6.0, <7.2", False),
        (7_002_000, "==7.2", True),
        (7_002_001, "=7.2.1", True),
        (7_002_001, "!=7.2.1.0", False),
        (7_002_001, "> 7", True),
        (6_010_000, "<= 6.9", False),
        (7_002_000, "seven", False),
        (0, ">=99", True),
    ],
)
def test_versions_of_hypervisors(version: int, predicate: str, expected: bool) -> None:
    assert satisfies(version, predicate) is expected


def test_image_properties() -> None:
    qemu, arm = (
        Host("qemu"),
        Host("arm", kind=replace(KIND, supported_instances=[["aarch64", "kvm", "hvm"]])),
    )
    unknown = Host("unknown", kind=None)
    hosts = (qemu, arm, unknown)
    assert passing(*hosts, image_properties={"hw_disk_bus": "virtio"}) == ["qemu", "arm", "unknown"]
    for properties in (
        {"hw_architecture": "x86_64"},
        {"architecture": "AMD64"},
        {"hw_architecture": "x86_64", "img_hv_type": "kvm", "hw_vm_mode": "hvm"},
        {"hw_architecture": "x86_64", "img_hv_requested_version": ">=7"},
    ):
        assert passing(*hosts, image_properties=properties) == ["qemu"], properties
    assert passing(*hosts, image_properties={"img_hv_type": "xen"}) == []
    assert passing(qemu, image_properties={"img_hv_requested_version": ">=8"}) == []
    by_default = {"image_properties_default_architecture": "aarch64"}
    assert passing(*hosts, settings=by_default) == ["arm"]


def test_capabilities() -> None:
    old = Host("old", kind=Kind("QEMU", 1, {"topology": {"cores": 2}}, []), version=1)
    new = Host("new", kind=Kind("QEMU", 9, {"topology": {"cores": 8}}, []), version=9)
    unknown = Host("unknown", kind=None, version=9)

    def having(**specs: str) -> list[str]:
        named = {name.replace("__", ":"): value for name, value in specs.items()}
        return passing(old, new, unknown, extra_specs=named)

    everybody = ["old", "new", "unknown"]
    assert having(hw__cpu_policy="shared", other__x="y") == everybody
    assert having(capabilities__cpu_info__topology__cores=">= 4") == ["new"]
    assert having(capabilities__hypervisor_type="QEMU") == ["old", "new"]
    assert having(capabilities__hypervisor_version=">= 2") == ["new", "unknown"]
    assert having(capabilities__free_ram_mb=">= 8192", capabilities__vcpus_used="<= 0") == everybody
    assert having(capabilities__host="s== new") == ["new"]
    assert having(capabilities__nothing="x") == []
    assert having(capabilities__host__below="x") == []
    assert having(capabilities__cpu_info__topology__none="x") == []


def test_a_spec_without_scope_is_about_hosts_and_aggregates() -> None:
    """As an attribute if it is called like one; and as metadata in any case."""
    big = Host("big", used=(0, 0, 0), metadata={"free_ram_mb": ">= 1", "ssd": "true"})
    assert passing(big, Host("bad"), extra_specs={"ssd": "true"}) == ["big"]
    assert passing(big, extra_specs={"ssd": "false"}) == []


QUERIES: list[tuple[Any, list[str]]] = [
    (["=", "$host", "a"], ["a"]),
    (["in", "$host", "a", "c"], ["a", "c"]),
    (["<", "$free_ram_mb", 4096], ["b"]),
    ([">=", "$free_ram_mb", 4096, 1], ["a", "c"]),
    (["and", [">", "$free_ram_mb", 4096], ["!not", 1]], []),
    (["and", [">", "$free_ram_mb", 4096], ["not", ["=", "$host", "a"]]], ["c"]),
    (["or", ["=", "$host", "a"], ["=", "$num_instances", 3]], ["a", "b"]),
    (["not", ["<=", "$vcpus_total", 16]], []),
    (["=", "$hypervisor_type", "QEMU"], ["a", "b"]),
    (["=", "$cpu_info.arch", "x86_64"], ["a", "b"]),
    (["=", "$cpu_info.nothing", "x86_64"], []),
    (["=", "$nothing", 1], []),
    (["=", "$host.below", "a"], []),
    (["=", "$host", 1], []),
    (["=", 1, 1], ["a", "b", "c"]),
    (["=", "$host"], []),
    ([], ["a", "b", "c"]),
    ({"no": "list"}, []),
    (["bad"], []),
    (["=", None, None], []),
    ("no JSON", []),
    (["not"] * 2000, []),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES, ids=[str(q)[:60] for q, _ in QUERIES])
@pytest.mark.parametrize("as_text", [True, False])
def test_queries(query: Any, expected: list[str], as_text: bool) -> None:
    hosts = (
        Host("a"),
        Host("b", used=(0, 6000, 0), allocations=3),
        Host("c", kind=Kind("VMware", 1, {}, [])),
    )
    if as_text and not isinstance(query, str):
        query = orjson.dumps(query).decode()
    if query == []:  # no hint at all
        query = ""
    assert passing(*hosts, hints={"query": query}) == expected


def test_deep_queries_are_no_queries() -> None:
    query: Any = ["=", 1, 1]
    for _ in range(60):
        query = ["not", query]
    assert passing(Host("a"), hints={"query": query}) == []


def test_near_an_address() -> None:
    hosts = (
        Host("near", address="192.0.2.9"),
        Host("far", address="192.0.3.9"),
        Host("six", address="2001:db8::1"),
        Host("odd", address="somewhere"),
    )

    def near(address: Any, **cidr: str) -> list[str]:
        return passing(*hosts, hints={"build_near_host_ip": address, **cidr})

    assert near("192.0.2.77") == ["near"]
    assert near("192.0.2.77", cidr="/16") == ["near", "far"]
    assert near("2001:db8::99", cidr="/64") == ["six"]
    assert near("nowhere") == near("192.0.2.1", cidr="/77") == []
    assert near("") == ["near", "far", "six", "odd"]


def test_isolation() -> None:
    hosts = (Host("isolated"), Host("open"))
    settings = {"isolated_hosts": ["isolated"], "isolated_images": ["secret"]}
    assert passing(*hosts, settings=settings, image_id="secret") == ["isolated"]
    assert passing(*hosts, settings=settings, image_id="other") == ["open"]
    loose = {**settings, "restrict_isolated_hosts_to_isolated_images": False}
    assert passing(*hosts, settings=loose, image_id="other") == ["isolated", "open"]
    assert passing(*hosts, settings=loose, image_id="secret") == ["isolated"]


def test_image_properties_of_a_namespace() -> None:
    hosts = (Host("a", metadata={"iso.os": "linux", "os": "windows"}), Host("b"))
    properties = {"os": "linux", "iso.os": "windows"}
    assert passing(*hosts, image_properties=properties) == ["b"]
    namespace = {"aggregate_image_properties_isolation_namespace": "iso"}
    assert passing(*hosts, image_properties={"os": "linux"}, settings=namespace) == ["a", "b"]
    assert passing(*hosts, image_properties=properties, settings=namespace) == ["b"]


def test_affinity_while_a_member_moves() -> None:
    """It may end on either host."""
    hosts = (Host("a"), Host("b"))
    assert passing(*hosts, group=Group("affinity")) == ["a", "b"]
    assert passing(*hosts, group=Group("affinity", others={"a": 1})) == ["a"]
    assert passing(*hosts, group=Group("affinity", others={"a": 1, "b": 1})) == []
    assert passing(*hosts, group=Group("affinity", others={"gone": 1})) == []
    assert passing(*hosts, group=Group("anti-affinity", 2, {"a": 1, "b": 2})) == ["a"]

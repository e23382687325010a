"""The facts that are read off a server's row."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from common.domain.block_devices import COLUMNS as DEVICE_COLUMNS
from common.domain.guest_data import devices
from common.domain.guest_data.facts import (
    cpu_list,
    dedicated_cpus,
    facts_of,
    full_hostname,
    further_disks,
    wants_drive,
)
from common.domain.server import COLUMNS, Server
from tests.unit.guest_data.facts import MAC


def server(*rows: dict[str, Any], **columns: Any) -> Server:
    """With these disks."""
    known: dict[str, Any] = {
        "uuid": uuid4(), "project_id": "p", "name": "web", "hostname": "web",
        "flavor": {"name": "f"}, "vcpus": 2, "ephemeral_gib": 0, "swap_mib": 0,
        "root_device_name": "/dev/vda",
        "metadata": {}, "security_groups": [], "network_info": [], **columns,
    }  # fmt: skip
    disks = [dict.fromkeys(DEVICE_COLUMNS) | {"uuid": str(uuid4())} | row for row in rows]
    return Server.from_row(dict.fromkeys(COLUMNS) | known | {"block_devices": disks})


ROOT = {
    "destination_type": "volume", "source_type": "image", "boot_index": 0,
    "device_name": "/dev/vda", "volume_id": "v0", "tag": "root",
}  # fmt: skip
DATA = {
    "destination_type": "volume", "source_type": "volume", "boot_index": -1,
    "device_name": "/dev/vdc", "volume_id": "v1", "disk_bus": "scsi", "tag": "data",
}  # fmt: skip
EPHEMERAL = {"destination_type": "local", "source_type": "blank", "boot_index": -1}
SWAP = {**EPHEMERAL, "guest_format": "swap"}


def test_disks_of_the_flavor_come_after_the_root_disk() -> None:
    found = further_disks(server(ephemeral_gib=1, swap_mib=1, root_device_name="/dev/sda1"))
    assert found == [("ephemeral0", "/dev/sdb"), ("swap", "/dev/sdc")]
    assert further_disks(server()) == []


def test_disks_that_were_asked_for() -> None:
    asked = server(ROOT, EPHEMERAL, EPHEMERAL, SWAP, DATA, ephemeral_gib=2, swap_mib=1)
    assert further_disks(asked) == [
        ("ephemeral0", "/dev/vdb"),
        ("ephemeral1", "/dev/vdd"),
        ("swap", "/dev/vde"),
        ("ebs0", "/dev/vdc"),
    ]


def test_tagged_devices() -> None:
    nics: list[dict[str, Any]] = [
        {"mac": MAC, "tag": tag, "fixed_ips": []} for tag in (None, "front")
    ]
    made = server(ROOT, EPHEMERAL, DATA, network_info=nics)
    found = [*devices.nics(made.network_info), *devices.disks(made.block_devices)]
    assert devices.devices(found) == [
        {"type": "nic", "bus": "pci", "address": "0000:00:04.0", "mac": MAC, "tags": ["front"]},
        {"type": "disk", "bus": "pci", "address": "0000:00:10.0", "serial": "v0",
         "path": "/dev/vda", "tags": ["root"]},
        {"type": "disk", "bus": "scsi", "address": "0:0:2:0", "serial": "v1",
         "path": "/dev/vdc", "tags": ["data"]},
    ]  # fmt: skip


def test_addresses_and_groups() -> None:
    ips = [
        {"address": "10.0.0.7", "version": 4, "floating": ["203.0.113.5"]},
        {"address": "2001:db8::7", "version": 6, "floating": []},
    ]
    groups = ["default", {"name": "web"}]
    facts = facts_of(
        server(network_info=[{"mac": MAC, "fixed_ips": ips}], security_groups=groups),
        domain="d",
        zone="z",
    )
    assert facts.fixed_ips == ("10.0.0.7", "2001:db8::7")
    assert facts.floating_ips == ("203.0.113.5",)
    assert facts.security_groups == ("default", "web")
    assert (facts.hostname, facts.availability_zone, facts.flavor_name) == ("web.d", "z", "f")
    assert UUID(facts.uuid)


@pytest.mark.parametrize(
    ("name", "domain", "full"),
    [
        ("web", "novalocal", "web.novalocal"),
        ("web", "", "web"),
        ("web.a.b", "novalocal", "web.a.b"),
    ],
)
def test_hostnames(name: str, domain: str, full: str) -> None:
    assert full_hostname(name, domain) == full


@pytest.mark.parametrize(
    ("specs", "cpus"),
    [
        ({}, ()),
        ({"hw:cpu_policy": "shared"}, ()),
        ({"hw:cpu_policy": "dedicated"}, (0, 1, 2, 3)),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-1,^1,3,9"}, (0, 3)),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"}, (1, 2, 3)),
    ],
)
def test_dedicated_processors(specs: dict[str, str], cpus: tuple[int, ...]) -> None:
    assert dedicated_cpus({"extra_specs": specs}, 4) == cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-3,^2,7", [0, 1, 3, 7]), ("", []), ("x,1", [1]), ("0-99999999", []), ("3-1", []),
     (" 1 , 2", [1, 2]), ("9" * 5000, [])],
)  # fmt: skip
def test_lists_of_processors(text: str, cpus: list[int]) -> None:
    assert cpu_list(text) == cpus


def test_only_an_image_that_must_have_one_asks_for_a_drive() -> None:
    assert wants_drive({"img_config_drive": "mandatory"})
    assert not wants_drive({"img_config_drive": "optional"})
    assert not wants_drive({})

"""Which disks a request means, and which combinations are refused."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from common.domain.block_devices import BlockDevice, bare_name, is_volume_backed, next_name, root
from common.domain.device_requests import IMAGE_DEVICES, Asked, Sizes, requested
from common.errors import InvalidInput

IMAGE = {
    "uuid": "i", "source_type": "image", "destination_type": "local", "boot_index": 0,
}  # fmt: skip
ROOT_VOLUME = {"uuid": "v", "source_type": "volume", "boot_index": "0"}
FROM_IMAGE = {**IMAGE, "destination_type": "volume", "volume_size": "2"}
DATA = {"uuid": "d", "source_type": "volume", "destination_type": "volume"}
BLANK = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
SCRATCH = {"source_type": "blank", "destination_type": "local", "volume_size": 1}
SWAP = {**SCRATCH, "guest_format": "swap", "volume_size": 64}


def of(
    *current: dict[str, Any],
    sizes: Sizes = Sizes(0, 0),  # noqa: B008 - frozen
    most_local: int = 3,
    **asked: Any,
) -> list[BlockDevice]:
    asked = {"image_id": "i", "current": current, **asked}
    return requested(Asked(**asked), sizes, new_id=uuid4, most_local=most_local)


def names(devices: list[BlockDevice]) -> list[str | None]:
    return [device.device_name for device in devices]


def test_an_image_alone_is_no_disk_of_its_own() -> None:
    assert of() == []


@pytest.mark.parametrize("index", [0, "0"])
def test_the_image_as_a_disk(index: Any) -> None:
    (disk,) = of({**IMAGE, "boot_index": index, "disk_bus": "scsi", "tag": "root"})
    assert (disk.is_root, disk.is_volume, disk.disk_bus, disk.tag) == (True, False, "scsi", "root")
    assert disk.device_name == "/dev/vda"


def test_a_volume_to_boot_from() -> None:
    (disk,) = of(ROOT_VOLUME, image_id=None)
    assert (disk.volume_id, disk.boot_index, disk.is_made_here) == ("v", 0, False)
    assert is_volume_backed([disk])


def test_a_volume_that_is_made_of_an_image() -> None:
    (disk,) = of(
        {**FROM_IMAGE, "delete_on_termination": True, "volume_type": "fast"}, image_id=None
    )
    assert (disk.image_id, disk.size, disk.is_made_here) == ("i", 2, True)
    assert (disk.delete_on_termination, disk.volume_type) == (True, "fast")


def test_names_follow_bus_and_request() -> None:
    disks = of(IMAGE, DATA, {**BLANK, "device_name": "vdb"}, {**BLANK, "disk_bus": "scsi"}, BLANK)
    assert names(disks) == ["/dev/vda", "/dev/vdc", "/dev/vdb", "/dev/sda", "/dev/vdd"]


def test_a_destination_follows_from_the_source() -> None:
    disks = of(IMAGE, {"uuid": "s", "source_type": "snapshot"}, {"source_type": "blank"},
               sizes=Sizes(5, 0))  # fmt: skip
    assert [disk.destination_type for disk in disks] == ["local", "volume", "local"]


def test_a_negative_index_is_none() -> None:
    disks = of(IMAGE, {**DATA, "boot_index": -1}, {**BLANK, "boot_index": None})
    assert [disk.boot_index for disk in disks] == [0, None, None]


@pytest.mark.parametrize(
    ("reason", "devices"),
    [
        ("source_type is missing", [{"uuid": "i", "boot_index": 0}]),
        ("Missing device UUID", [IMAGE, {"source_type": "volume"}]),
        ("Invalid device UUID", [IMAGE, {**BLANK, "uuid": "x"}]),
        ("image to local is not supported", [{**IMAGE, "boot_index": 1}]),
        ("image to local is not supported", [{**IMAGE, "boot_index": None}]),
        ("is not the server's imageRef", [{**IMAGE, "uuid": "other"}]),
        ("volume to local is not supported", [IMAGE, {**DATA, "destination_type": "local"}]),
        ("non-zero size", [{**FROM_IMAGE, "volume_size": None}]),
        ("non-zero size", [IMAGE, {**BLANK, "volume_size": 0}]),
        ("destination_type=local is not supported", [IMAGE, {**SCRATCH, "volume_type": "t"}]),
        ("volume type to existing volume", [IMAGE, {**DATA, "volume_type": "t"}]),
        ("disk_bus abacus", [{**IMAGE, "disk_bus": "abacus"}]),
        ("connection_info", [IMAGE, {**DATA, "connection_info": "{}"}]),
        ("virtual_name", [IMAGE, {**BLANK, "virtual_name": "swap"}]),
        ("does not go with source_type", [IMAGE, {**DATA, "snapshot_id": "s"}]),
        ("Boot sequence", [DATA]),
        ("Boot sequence", [IMAGE, IMAGE]),
        ("Boot sequence", [ROOT_VOLUME, {**BLANK, "boot_index": 2}]),
        ("one disk of a server only", [IMAGE, DATA, DATA]),
        ("same device_name", [IMAGE, {**DATA, "device_name": "vdb"},
                              {**BLANK, "device_name": "/dev/vdb"}]),
        ("root device /dev/vda", [IMAGE, {**DATA, "device_name": "/dev/vda"}]),
        ("Tags must be unique", [{**IMAGE, "tag": "t"}, {**DATA, "tag": "t"}]),
        ("larger than the instance type", [IMAGE, {**SCRATCH, "volume_size": 9}]),
        ("More than one swap", [IMAGE, SWAP, SWAP]),
        ("Swap drive requested is larger", [IMAGE, {**SWAP, "volume_size": 65}]),
        ("more local devices", [IMAGE, SCRATCH, SCRATCH, SWAP]),
    ],
)  # fmt: skip
def test_what_is_refused(reason: str, devices: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidInput, match=reason):
        of(*devices, sizes=Sizes(2, 64))


def test_the_disks_of_the_flavor_count() -> None:
    sizes = Sizes(2, 64)
    assert len(of(IMAGE, SCRATCH, SWAP, sizes=sizes)) == 3
    with pytest.raises(InvalidInput, match="more local devices"):
        of(IMAGE, sizes=sizes, most_local=2)
    assert of(IMAGE, sizes=sizes, most_local=-1)


def test_a_volume_is_for_one_server() -> None:
    with pytest.raises(InvalidInput, match="to multiple instances"):
        of(IMAGE, DATA, servers=2)
    assert of({**FROM_IMAGE}, image_id=None, servers=2)


OLD = [
    {"volume_id": "v", "device_name": "vda", "delete_on_termination": "1"},
    {"snapshot_id": "s", "device_name": "/dev/vdc", "volume_size": "3"},
    {"virtual_name": "ephemeral0", "device_name": "vdb"},
    {"device_name": "vdd", "no_device": True},
]


def test_the_old_form() -> None:
    disks = of(legacy=OLD, image_id=None, sizes=Sizes(1, 0))
    assert [disk.source_type for disk in disks] == ["volume", "snapshot", "blank"]
    assert [disk.boot_index for disk in disks] == [0, None, None]
    assert (disks[0].delete_on_termination, disks[1].size) == (True, 3)


def test_the_old_form_beside_an_image() -> None:
    disks = of(legacy=[{"volume_id": "v", "device_name": "vdb"}])
    assert [(disk.source_type, disk.boot_index) for disk in disks] == [
        ("image", 0), ("volume", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "entry"),
    [
        ("Boot sequence", {"volume_id": "v", "device_name": "vdb"}),
        ("Unrecognized legacy format", {"device_name": "vda"}),
        ("connection_info", {"volume_id": "v", "connection_info": "{}"}),
    ],
)
def test_what_the_old_form_refuses(reason: str, entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=reason):
        of(legacy=[entry], image_id=None)


def test_not_both_forms() -> None:
    with pytest.raises(InvalidInput, match="different block_device_mapping syntaxes"):
        of(IMAGE, legacy=OLD)


BROUGHT: list[dict[str, Any]] = [
    {"source_type": "snapshot", "destination_type": "volume", "snapshot_id": "s0",
     "boot_index": 0, "device_name": "/dev/vda", "volume_size": 1, "image_id": None,
     "no_device": None},
    {"source_type": "snapshot", "destination_type": "volume", "snapshot_id": "s1",
     "boot_index": None, "device_name": "/dev/vdb", "volume_size": 1},
]  # fmt: skip


def properties(brought: list[dict[str, Any]]) -> dict[str, str]:
    return {IMAGE_DEVICES: json.dumps(brought), "bdm_v2": "true"}


def test_an_image_brings_its_disks() -> None:
    for current in ((), (IMAGE,)):
        disks = of(*current, image_properties=properties(BROUGHT))
        assert [disk.snapshot_id for disk in disks] == ["s0", "s1"]
        assert is_volume_backed(disks)


def test_a_request_goes_before_what_the_image_brings() -> None:
    brought = properties(BROUGHT)
    disks = of(IMAGE, {**DATA, "device_name": "vdb"}, image_properties=brought)
    assert [disk.volume_id or disk.snapshot_id for disk in disks] == ["s0", "d"]
    disks = of(IMAGE, {"device_name": "vdb", "no_device": True}, image_properties=brought)
    assert [disk.snapshot_id for disk in disks] == ["s0"]


def test_an_image_may_bring_data_only() -> None:
    disks = of(image_properties=properties(BROUGHT[1:]))
    assert [(disk.source_type, disk.boot_index) for disk in disks] == [
        ("snapshot", None), ("image", 0)
    ]  # fmt: skip
    assert root(disks) is not None


@pytest.mark.parametrize("text", ["{", "3", '["x"]'])
def test_an_image_whose_disks_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        of(image_properties={IMAGE_DEVICES: text})


def test_next_names() -> None:
    assert next_name({"/dev/sda", "sdb1"}, root_name="/dev/sda") == "/dev/sdc"
    assert next_name({"vda"}, bus="ide", root_name="/dev/vda") == "/dev/hda"
    every = {f"vd{chr(n)}" for n in range(ord("a"), ord("z") + 1)}
    assert next_name(every, root_name="vda") == "/dev/vdaa"
    assert bare_name("/dev/xvdb2") == "xvdb"

"""The EC2 form: the tree of each version."""

from __future__ import annotations

import pytest

from common.domain.guest_data import ec2
from common.errors import NotFound
from tests.unit.guest_data.facts import BARE, FACTS

ADDED = {
    "1.0": {
        "ami-id", "ami-launch-index", "ami-manifest-path", "hostname", "instance-id", "local-ipv4",
        "reservation-id", "security-groups", "public-keys",
    },
    "2007-01-19": {"local-hostname", "public-hostname", "public-ipv4"},
    "2007-03-01": set(),
    "2007-08-29": {"instance-type"},
    "2007-10-10": set(),
    "2007-12-15": {"block-device-mapping", "kernel-id", "ramdisk-id"},
    "2008-02-01": {"placement"},
    "2008-09-01": {"instance-action"},
    "2009-04-04": set(),
}  # fmt: skip


def test_every_version_adds_to_the_one_before() -> None:
    assert tuple(ADDED) == ec2.VERSIONS
    names: set[str] = set()
    for version, added in ADDED.items():
        names |= added
        assert set(ec2.meta_data(FACTS, version)) == names, version


def test_values() -> None:
    tree = ec2.meta_data(FACTS, ec2.resolve("latest"))
    assert tree["instance-id"] == "i-6f70656e"
    assert tree["ami-id"] == "ami-11112222"
    assert tree["kernel-id"] == "aki-aaaabbbb"
    assert tree["local-ipv4"] == "10.0.0.7"
    assert tree["public-ipv4"] == "203.0.113.5"
    assert tree["security-groups"] == "default\nweb"
    assert tree["placement"] == {"availability-zone": "north"}
    assert tree["block-device-mapping"] == {
        "ami": "vda", "root": "/dev/vda", "ephemeral0": "/dev/vdb", "swap": "/dev/vdc",
    }  # fmt: skip


def test_listing_names_the_key() -> None:
    lines = ec2.listing(ec2.meta_data(FACTS, "2009-04-04")).split("\n")
    assert {"ami-id", "placement/", "public-keys/"} <= set(lines)
    keys = ec2.meta_data(FACTS, "2009-04-04")["public-keys"]
    assert isinstance(keys, dict)
    assert ec2.listing(keys) == "0=k1"
    key = keys["0"]
    assert isinstance(key, dict)
    assert ec2.listing(key) == "openssh-key"


def test_what_there_is_none_of() -> None:
    whole = ec2.whole(BARE, "latest")
    assert set(whole) == {"meta-data"}
    tree = ec2.meta_data(BARE, "2009-04-04")
    assert tree.keys().isdisjoint({"public-keys", "kernel-id", "ramdisk-id"})
    assert (tree["local-ipv4"], tree["public-ipv4"]) == ("", "")


@pytest.mark.parametrize("version", ["2009-04-05", "openstack", ""])
def test_unknown_versions(version: str) -> None:
    with pytest.raises(NotFound):
        ec2.whole(FACTS, version)

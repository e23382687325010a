"""The EC2 form: a tree of small texts, /<version>/meta-data/... and /<version>/user-data.

Owns: the versions, what each added to the tree, and how a part of it is shown.
May not: change what a version that was published says. Crash story: none; pure functions.

Ids of EC2 are made of the first eight digits of ours.
"""

from __future__ import annotations

from typing import TypeAlias, Union

from common.domain.guest_data.facts import GuestFacts
from common.domain.guest_data.openstack import user_data
from common.errors import NotFound

Tree: TypeAlias = dict[str, Union[str, "Tree"]]

FIRST = "1.0"
HOSTNAMES = "2007-01-19"
INSTANCE_TYPE = "2007-08-29"
DISKS = "2007-12-15"
PLACEMENT = "2008-02-01"
INSTANCE_ACTION = "2008-09-01"

VERSIONS = (
    FIRST,
    HOSTNAMES,
    "2007-03-01",
    INSTANCE_TYPE,
    "2007-10-10",
    DISKS,
    PLACEMENT,
    INSTANCE_ACTION,
    "2009-04-04",
)
LATEST = "latest"

LABEL = "_name"
"""Key of a branch that is listed under another name than it is asked for."""


def resolve(version: str) -> str:
    """The version meant by the name of a directory; raises `NotFound`."""
    if version == LATEST:
        return VERSIONS[-1]
    if version not in VERSIONS:
        raise NotFound(f"there is no version {version!r}")
    return version


def meta_data(facts: GuestFacts, version: str) -> Tree:
    """The tree of one version."""
    ipv4 = [address for address in facts.fixed_ips if ":" not in address]
    tree: Tree = {
        "ami-id": _id("ami", facts.image_id or ""),
        "ami-launch-index": str(facts.launch_index),
        "ami-manifest-path": "(unknown)",
        "hostname": facts.hostname,
        "instance-id": _id("i", facts.uuid),
        "local-ipv4": ipv4[0] if ipv4 else "",
        "reservation-id": facts.reservation_id,
        "security-groups": "\n".join(facts.security_groups),
    }
    if facts.key_name is not None and facts.public_key is not None:
        key: Tree = {LABEL: f"0={facts.key_name}", "openssh-key": facts.public_key}
        tree["public-keys"] = {"0": key}
    if version >= HOSTNAMES:
        floating = facts.floating_ips[0] if facts.floating_ips else ""
        tree |= {
            "local-hostname": facts.hostname,
            "public-hostname": facts.hostname,
            "public-ipv4": floating,
        }
    if version >= INSTANCE_TYPE:
        tree["instance-type"] = facts.flavor_name
    if version >= DISKS:
        tree["block-device-mapping"] = _disks(facts)
        if facts.kernel_id:
            tree["kernel-id"] = _id("aki", facts.kernel_id)
        if facts.ramdisk_id:
            tree["ramdisk-id"] = _id("ari", facts.ramdisk_id)
    if version >= PLACEMENT:
        tree["placement"] = {"availability-zone": facts.availability_zone}
    if version >= INSTANCE_ACTION:
        tree["instance-action"] = "none"
    return tree


def whole(facts: GuestFacts, version: str) -> dict[str, Tree | bytes]:
    """What the directory of a version has."""
    found: dict[str, Tree | bytes] = {"meta-data": meta_data(facts, resolve(version))}
    if (own := user_data(facts)) is not None:
        found["user-data"] = own
    return found


def listing(tree: Tree) -> str:
    """The names in a branch; those with more below end in a slash."""
    return "\n".join(_line(name, tree[name]) for name in sorted(tree) if name != LABEL)


def _line(name: str, below: str | Tree) -> str:
    if isinstance(below, str):
        return name
    label = below.get(LABEL)
    return label if isinstance(label, str) else f"{name}/"


def _id(prefix: str, uuid: str) -> str:
    return f"{prefix}-{uuid.replace('-', '')[:8] or '00000000'}"


def _disks(facts: GuestFacts) -> Tree:
    return {
        "ami": facts.root_device.removeprefix("/dev/"),
        "root": facts.root_device,
        **dict(facts.disks),
    }

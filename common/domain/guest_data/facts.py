"""The facts about a server that its guest may know.

Owns: `GuestFacts`, and how it is read off a server's row. Everything a guest is told is a function
of this value, so two places that have the same facts say the same.
May not: hold a password or an injected file: those are given once, with the first boot.
Crash story: none; values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from common.domain.block_devices import DEFAULT_ROOT, next_name
from common.domain.network_info import vifs
from common.domain.server import Server

MANDATORY_DRIVE = "mandatory"
"""Of the image property img_config_drive: the image wants a config drive in any case."""


@dataclass(frozen=True)
class Subnet:
    """How an address is to be configured."""

    cidr: str
    gateway: str | None = None
    dhcp: bool = False
    ipv6_mode: str | None = None
    """slaac, dhcpv6-stateful or dhcpv6-stateless; None for a static or IPv4 one."""
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    """(destination, next hop) beyond the default route."""


@dataclass(frozen=True)
class Address:
    address: str
    subnet: Subnet | None = None
    """None: the network service does not know it any more."""


@dataclass(frozen=True)
class Link:
    """One port of the guest."""

    port_id: str
    network_id: str
    mac: str
    vif_type: str = "ovs"
    mtu: int | None = None
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True)
class TaggedDevice:
    """A device that its user gave a tag; `serial` and `path` are a disk's, `mac` a NIC's."""

    kind: str
    tag: str
    bus: str
    address: str
    mac: str | None = None
    serial: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class GuestFacts:
    """`hostname` is the full name; `user_data` is base64, as the user gave it."""

    uuid: str
    name: str
    hostname: str
    project_id: str
    reservation_id: str
    launch_index: int
    availability_zone: str
    flavor_name: str
    image_id: str | None = None
    kernel_id: str = ""
    ramdisk_id: str = ""
    root_device: str = DEFAULT_ROOT
    disks: tuple[tuple[str, str], ...] = ()
    """What each further disk is called in the EC2 form, and its device: ephemeral0, swap, ebs0."""
    dedicated_cpus: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    key_name: str | None = None
    public_key: str | None = None
    user_data: str | None = field(default=None, repr=False)
    security_groups: tuple[str, ...] = ()
    fixed_ips: tuple[str, ...] = ()
    floating_ips: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    devices: tuple[TaggedDevice, ...] = ()
    vendor_data: Mapping[str, Any] = field(default_factory=dict)
    """The same for every guest."""
    vendor_data2: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """By the name of the service that said it about this guest."""


def full_hostname(hostname: str, domain: str) -> str:
    """With the domain, unless the name has one already or there is none."""
    return hostname if not domain or "." in hostname else f"{hostname}.{domain}"


def apart(facts: GuestFacts) -> GuestFacts:
    """Without what the description of a guest says anyway; to travel beside it."""
    return replace(facts, metadata={}, key_name=None, public_key=None, user_data=None)


def facts_of(
    server: Server,
    *,
    domain: str,
    zone: str,
    links: Sequence[Link] = (),
    devices: Sequence[TaggedDevice] = (),
    vendor_data: Mapping[str, Any] | None = None,
    vendor_data2: Mapping[str, Any] | None = None,
) -> GuestFacts:
    """Of a server as its row says, with what others know about it."""
    addresses = [ip for vif in vifs(server.network_info) for ip in vif.get("fixed_ips", [])]
    return GuestFacts(
        uuid=str(server.uuid),
        name=server.name,
        hostname=full_hostname(server.hostname, domain),
        project_id=server.project_id,
        reservation_id=server.reservation_id,
        launch_index=server.launch_index,
        availability_zone=zone,
        flavor_name=str(server.flavor.get("name", "")),
        image_id=server.image_ref,
        kernel_id=server.kernel_id,
        ramdisk_id=server.ramdisk_id,
        root_device=server.root_device_name or DEFAULT_ROOT,
        disks=tuple(further_disks(server)),
        dedicated_cpus=dedicated_cpus(server.flavor, server.vcpus),
        metadata=server.metadata,
        key_name=server.key_name,
        public_key=server.key_data,
        user_data=server.user_data,
        security_groups=tuple(group_name(group) for group in server.security_groups),
        fixed_ips=tuple(ip["address"] for ip in addresses),
        floating_ips=tuple(floating for ip in addresses for floating in ip["floating"]),
        links=tuple(links),
        devices=tuple(devices),
        vendor_data=vendor_data or {},
        vendor_data2=vendor_data2 or {},
    )


def further_disks(server: Server) -> list[tuple[str, str]]:
    """Those besides the root disk. Local ones that were not asked for one by one have no name on
    record: a guest finds them after the root disk, in this order."""
    root = server.root_device_name or DEFAULT_ROOT
    named = [device for device in server.block_devices if not device.is_root]
    taken = [root, *(device.device_name for device in named if device.device_name)]
    found: list[tuple[str, str]] = []

    def add(kind: str, number: int | None, name: str | None) -> None:
        device = name or next_name(taken, root_name=root)
        taken.append(device)
        found.append((kind if number is None else f"{kind}{number}", device))

    ephemeral = [device for device in named if device.is_ephemeral]
    swap = [device for device in named if device.is_swap]
    for number, device in enumerate(ephemeral):
        add("ephemeral", number, device.device_name)
    if not ephemeral and server.ephemeral_gib:
        add("ephemeral", 0, None)
    for device in swap[:1]:
        add("swap", None, device.device_name)
    if not swap and server.swap_mib:
        add("swap", None, None)
    for number, device in enumerate(device for device in named if device.is_volume):
        if device.device_name:
            add("ebs", number, device.device_name)
    return found


def group_name(group: Any) -> str:
    """Of a security group as a server's row has it."""
    return str(group["name"] if isinstance(group, dict) else group)


def dedicated_cpus(flavor: Mapping[str, Any], vcpus: int) -> tuple[int, ...]:
    """Which of its processors the guest has for itself alone."""
    specs = flavor.get("extra_specs") or {}
    every = range(vcpus)
    if specs.get("hw:cpu_policy") == "dedicated":
        return tuple(every)
    if specs.get("hw:cpu_policy") == "mixed":
        mask = str(specs.get("hw:cpu_dedicated_mask", ""))
        if mask.startswith("^"):  # all but these
            mask = f"0-{vcpus - 1},{mask}"
        return tuple(cpu for cpu in cpu_list(mask) if cpu in every)
    return ()


def cpu_list(text: str) -> list[int]:
    """`0-3,^2,7` in order; what is no such list, or names processors that no guest has, is left
    out."""
    wanted: set[int] = set()
    unwanted: set[int] = set()
    for part in text.replace(" ", "").split(","):
        chosen = unwanted if part.startswith("^") else wanted
        found = _CPU_RANGE.fullmatch(part.removeprefix("^"))
        if found:
            first, last = int(found[1]), int(found[2] or found[1])
            chosen.update(range(first, last + 1))
    return sorted(wanted - unwanted)


_CPU_RANGE = re.compile("([0-9]{1,4})(?:-([0-9]{1,4}))?")


def wants_drive(image_properties: Mapping[str, Any]) -> bool:
    """Whether the image wants a config drive in any case."""
    return bool(image_properties.get("img_config_drive") == MANDATORY_DRIVE)

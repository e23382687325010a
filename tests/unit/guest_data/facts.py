"""A guest with a bit of everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common.domain.guest_data.facts import Address, GuestFacts, Link, Subnet, TaggedDevice

UUID = "6f70656e-7374-6163-6b20-617069206f6b"
MAC = "fa:16:3e:00:00:01"

DHCP = Subnet("10.0.0.0/24", gateway="10.0.0.1", dhcp=True, dns=("10.0.0.2", "10.0.0.3"))
STATIC = Subnet(
    "192.0.2.0/25",
    gateway="192.0.2.1",
    dns=("10.0.0.2",),
    routes=(("198.51.100.0/24", "192.0.2.9"),),
)
SLAAC = Subnet("2001:db8::/64", gateway="2001:db8::1", dhcp=True, ipv6_mode="slaac")


def link(*addresses: Address, **fields: Any) -> Link:
    return Link(f"cd9f6d46-{UUID[9:]}", "net", MAC, addresses=addresses, **fields)


FACTS = GuestFacts(
    uuid=UUID,
    name="web",
    hostname="web.novalocal",
    project_id="p",
    reservation_id="r-1",
    launch_index=2,
    availability_zone="north",
    flavor_name="m1.small",
    image_id="11112222-3333-4444-5555-666677778888",
    kernel_id="aaaabbbb-3333-4444-5555-666677778888",
    ramdisk_id="ccccdddd-3333-4444-5555-666677778888",
    disks=(("ephemeral0", "/dev/vdb"), ("swap", "/dev/vdc")),
    dedicated_cpus=(0, 1),
    metadata={"role": "web"},
    key_name="k1",
    public_key="ssh-ed25519 AAAA k1",
    user_data="IyEvYmluL3NoCg==",
    security_groups=("default", "web"),
    fixed_ips=("2001:db8::7", "10.0.0.7"),
    floating_ips=("203.0.113.5",),
    links=(link(Address("10.0.0.7", DHCP), Address("192.0.2.7", STATIC), mtu=1450),),
    devices=(TaggedDevice("nic", "front", "pci", "0000:00:03.0", mac=MAC),),
    vendor_data={"region": "north"},
    vendor_data2={"static": {"region": "north"}},
)

BARE = replace(
    FACTS,
    image_id=None,
    kernel_id="",
    ramdisk_id="",
    disks=(),
    metadata={},
    key_name=None,
    public_key=None,
    user_data=None,
    links=(),
    devices=(),
    fixed_ips=(),
    floating_ips=(),
)

"""network_data.json: what an address is to be configured with."""

from __future__ import annotations

from dataclasses import replace

from common.domain.guest_data.facts import Address
from common.domain.guest_data.network_data import network_data
from tests.unit.guest_data.facts import DHCP, FACTS, MAC, SLAAC, STATIC, link


def test_links_and_networks() -> None:
    made = network_data(FACTS.links)
    assert made["links"] == [
        {
            "id": "tapcd9f6d46-73",
            "vif_id": FACTS.links[0].port_id,
            "type": "ovs",
            "mtu": 1450,
            "ethernet_mac_address": MAC,
        }
    ]
    common = {"link": "tapcd9f6d46-73", "network_id": "net"}
    assert made["networks"] == [
        {"id": "network0", "type": "ipv4_dhcp", **common},
        {
            "id": "network1",
            "type": "ipv4",
            "ip_address": "192.0.2.7",
            "netmask": "255.255.255.128",
            "routes": [
                {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"},
                {"network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.9"},
            ],
            "services": [{"type": "dns", "address": "10.0.0.2"}],
            **common,
        },
    ]
    assert made["services"] == [
        {"type": "dns", "address": address} for address in ("10.0.0.2", "10.0.0.3")
    ]


def test_ipv6_says_how_addresses_are_given() -> None:
    (network,) = network_data([link(Address("2001:db8::7", SLAAC))])["networks"]
    assert network["type"] == "ipv6_slaac"
    assert network["netmask"] == "ffff:ffff:ffff:ffff::"
    assert network["routes"] == [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}]


def test_an_unknown_connection_is_physical() -> None:
    (shown,) = network_data([link(vif_type="unbound")])["links"]
    assert shown["type"] == "phy"


def test_an_address_whose_subnet_is_gone_is_left_out() -> None:
    made = network_data([link(Address("10.0.0.7"), Address("10.0.0.8", DHCP))])
    assert [network["id"] for network in made["networks"]] == ["network0"]


def test_without_a_gateway_there_is_no_default_route() -> None:
    (network,) = network_data([link(Address("192.0.2.7", replace(STATIC, gateway=None)))])[
        "networks"
    ]
    assert [route["network"] for route in network["routes"]] == ["198.51.100.0"]

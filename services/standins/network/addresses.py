"""Handing out IP and MAC addresses.

Owns: which address a port gets. May not: remember who has one; the index of the ports does, so an
address is free again in the moment in which its port is gone.
Crash story: cursors are only hints and start anew at the first address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.standins.network.model import Model, bad
from services.standins.store import Doc
from services.standins.web import Fault

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAC_PREFIX = "fa:16:3e"
AUTO_MODES = frozenset({"slaac", "dhcpv6-stateless"})
"""Subnets whose addresses follow from the MAC."""


@dataclass(slots=True)
class _Pool:
    """The numbers of a subnet's allocation pools, and where to look next.

    The cursor walks on instead of starting at the lowest free number: a take costs one step also
    with thousands of ports, and an address rests a while before somebody else gets it.
    """

    source: list[Doc]
    make: type[ipaddress.IPv4Address | ipaddress.IPv6Address]
    spans: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0
    cursor: int = 0

    def __post_init__(self) -> None:
        for pool in self.source:
            low = int(ipaddress.ip_address(pool["start"]))
            high = int(ipaddress.ip_address(pool["end"]))
            self.spans.append((low, high))
            self.size += high - low + 1

    def at(self, offset: int) -> int:
        for low, high in self.spans:
            if offset <= high - low:
                return low + offset
            offset -= high - low + 1
        raise IndexError(offset)


class Addresses:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._pools: dict[str, _Pool] = {}

    def assign(
        self, network: Doc, wanted: Sequence[Doc] | None, mac: str, keep: str = ""
    ) -> list[Doc]:
        """The `fixed_ips` of a port on `network`.

        `wanted` None takes what the network offers, [] takes nothing. `keep` is a port whose
        present addresses count as free, because it is asking for itself.
        """
        subnets = self._model.subnets.find("network", network["id"])
        if wanted is None:
            return self._offered(network, subnets, mac)
        taken: set[tuple[str, int]] = set()
        found: list[Doc] = []
        for one in wanted:
            subnet, address = self._wanted(network, subnets, one, taken, mac=mac, keep=keep)
            taken.add((subnet["id"], int(address)))
            found.append({"subnet_id": subnet["id"], "ip_address": str(address)})
        return found

    def _wanted(
        self,
        network: Doc,
        subnets: Sequence[Doc],
        one: Doc,
        taken: set[tuple[str, int]],
        *,
        mac: str,
        keep: str,
    ) -> tuple[Doc, Address]:
        subnet_id, text = one.get("subnet_id"), one.get("ip_address")
        if subnet_id is not None:
            subnets = [s for s in subnets if s["id"] == subnet_id]
            if not subnets:
                raise bad(
                    f"Failed to create port on network {network['id']}, because fixed_ips included"
                    f" invalid subnet {subnet_id}"
                )
        if text is None:
            if not subnets:
                raise bad("IP allocation requires subnet_id or ip_address")
            address = self._take(subnets[0], taken, mac)
            if address is None:
                raise _exhausted(network)
            return subnets[0], address
        address = parse_ip(text, "fixed_ips.ip_address")
        fitting = [s for s in subnets if address in ipaddress.ip_network(s["cidr"])]
        if not fitting:
            raise Fault(
                400,
                f"IP address {text} is not a valid IP for any of the subnets on the specified"
                " network.",
                "InvalidIpForNetwork",
            )
        subnet = fitting[0]
        holder = self._model.ports.first("address", (subnet["id"], int(address)))
        if (subnet["id"], int(address)) in taken or (holder and holder["id"] != keep):
            raise Fault(
                409,
                f"Unable to complete operation for network {network['id']}. The IP address {text}"
                " is in use.",
                "IpAddressInUse",
            )
        return subnet, address

    def _offered(self, network: Doc, subnets: Sequence[Doc], mac: str) -> list[Doc]:
        """One address per IP version, and one of every subnet that numbers by MAC."""
        found: list[Doc] = []
        by_version: dict[int, list[Doc]] = {4: [], 6: []}
        for subnet in subnets:
            if subnet["ipv6_address_mode"] in AUTO_MODES:
                by_mac = _by_mac(subnet, mac)
                found.append({"subnet_id": subnet["id"], "ip_address": str(by_mac)})
            else:
                by_version[subnet["ip_version"]].append(subnet)
        for candidates in by_version.values():
            if not candidates:
                continue
            for subnet in candidates:
                address = self._take(subnet, set(), mac)
                if address is not None:
                    found.append({"subnet_id": subnet["id"], "ip_address": str(address)})
                    break
            else:
                raise _exhausted(network)
        return found

    def _take(self, subnet: Doc, taken: Iterable[tuple[str, int]], mac: str) -> Address | None:
        """A free address of the subnet's pools, None when there is none."""
        if subnet["ipv6_address_mode"] in AUTO_MODES:
            return _by_mac(subnet, mac)
        pool = self._pools.get(subnet["id"])
        if pool is None or pool.source != subnet["allocation_pools"]:
            make = ipaddress.IPv4Address if subnet["ip_version"] == 4 else ipaddress.IPv6Address
            pool = self._pools[subnet["id"]] = _Pool(subnet["allocation_pools"], make)
        ports = self._model.ports
        for _ in range(pool.size):
            number = pool.at(pool.cursor)
            pool.cursor = (pool.cursor + 1) % pool.size
            key = (subnet["id"], number)
            if not ports.count("address", key) and key not in taken:
                return pool.make(number)
        return None


def new_mac(model: Model, network_id: str) -> str:
    """Unique on the network; from the id source, so that a test can repeat it."""
    while True:
        tail = model.ids.uuid().bytes[:3]
        mac = f"{MAC_PREFIX}:{tail[0]:02x}:{tail[1]:02x}:{tail[2]:02x}"
        if not model.ports.count("mac", (network_id, mac)):
            return mac


def parse_ip(text: object, name: str) -> Address:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError as error:
        raise bad(f"{name}: '{text}' is not a valid IP address") from error


def _by_mac(subnet: Doc, mac: str) -> Address:
    """The modified EUI-64 address of a MAC."""
    part = bytes.fromhex(mac.replace(":", ""))
    eui = bytes([part[0] ^ 2, part[1], part[2], 0xFF, 0xFE, part[3], part[4], part[5]])
    return ipaddress.ip_network(subnet["cidr"]).network_address + int.from_bytes(eui)


def _exhausted(network: Doc) -> Fault:
    return Fault(
        409,
        f"No more IP addresses available on network {network['id']}.",
        "IpAddressGenerationFailure",
    )

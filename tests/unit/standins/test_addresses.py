"""Addresses: never two ports with one, none lost, none outside the pools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.runtime.ports import Clock, Ids
from services.standins.network.addresses import Addresses
from services.standins.network.model import Model
from services.standins.network.networks import NetworkBody, make_network
from services.standins.network.ports import PortBody, make_port
from services.standins.network.subnets import SubnetBody, make_subnet
from services.standins.store import Doc, Store
from services.standins.web import Fault, complete


class Net:
    """A network with one subnet of two pools, 5 and 3 addresses."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.model = Model(self.store, Clock(), Ids())
        self.addresses = Addresses(self.model)
        self.store.open()
        with self.store.transaction():
            self.network = make_network(self.model, complete(NetworkBody()), "p")
            pools = [("10.0.0.10", "10.0.0.14"), ("10.0.0.20", "10.0.0.22")]
            body = SubnetBody.model_validate(
                {
                    "network_id": self.network["id"],
                    "cidr": "10.0.0.0/24",
                    "allocation_pools": [{"start": a, "end": b} for a, b in pools],
                }
            )
            make_subnet(self.model, {**complete(body), "gateway_ip": "auto"}, "p")

    def port(self) -> Doc:
        fields = {**complete(PortBody(network_id=self.network["id"])), "security_groups": []}
        fields["port_security_enabled"] = False
        with self.store.transaction():
            return make_port(self.model, self.addresses, self.network, fields, "p")

    def delete(self, port: Doc) -> None:
        with self.store.transaction():
            self.model.ports.delete(port["id"])


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    net = Net(tmp_path / "n.sqlite")
    yield net
    net.store.close()


def address(port: Doc) -> str:
    (fixed,) = port["fixed_ips"]
    return str(fixed["ip_address"])


def test_all_pools_are_used_up_before_it_is_full(net: Net) -> None:
    expected = [f"10.0.0.{n}" for n in (10, 11, 12, 13, 14, 20, 21, 22)]
    assert [address(net.port()) for _ in expected] == expected
    with pytest.raises(Fault) as caught:
        net.port()
    assert (caught.value.status, caught.value.kind) == (409, "IpAddressGenerationFailure")


def test_a_freed_address_rests_before_it_is_used_again(net: Net) -> None:
    first = net.port()
    net.delete(first)
    others = [net.port() for _ in range(7)]
    assert address(first) not in {address(p) for p in others}
    assert address(net.port()) == address(first)


@given(steps=st.lists(st.one_of(st.none(), st.integers(0, 7)), max_size=60))
def test_two_ports_never_share_an_address(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | None]
) -> None:
    net = Net(tmp_path_factory.mktemp("net") / "n.sqlite")
    held: list[Doc] = []
    for step in steps:
        if step is not None:
            if step < len(held):
                net.delete(held.pop(step))
            continue
        if len(held) < 8:
            held.append(net.port())
        else:
            with pytest.raises(Fault):
                net.port()
    assert len({address(p) for p in held}) == len(held)
    net.store.close()

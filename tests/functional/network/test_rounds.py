"""What nobody says is found all the same: servers are compared with their ports page by page."""

from __future__ import annotations

from typing import Any

import pytest

from services.conductor import addresses
from tests.functional.network.conftest import Network
from tests.support.cluster import Cluster


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    """The network service's events reach nobody; a page has two servers."""
    return {
        "network": {"refresh_interval_s": 0.1, "refresh_page": 2},
        "standins": {"compute_internal_url": "http://127.0.0.1:1/v2.1"},
    }


async def test_all_servers_in_turn(
    network: Network, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = await network.made("network", name="before")
    await network.made("subnet", network_id=net["id"], cidr="10.5.0.0/24", ip_version=4)
    group = await network.made("security_group", name="before")
    servers = [
        await network.server(networks=[{"uuid": net["id"]}], security_groups=[{"name": "before"}])
        for _ in range(5)
    ]
    pages: list[int] = []
    compare = addresses.compare

    async def counted(deps: Any, page: Any) -> int:
        pages.append(len(page))
        return await compare(deps, page)

    monkeypatch.setattr(addresses, "compare", counted)
    await network.changed("network", net["id"], name="after")
    await network.changed("security_group", group["id"], name="renamed")

    async def renamed() -> bool:
        shown = [await cluster.server(each) for each in servers]
        return all(
            list(s["addresses"]) == ["after"] and s["security_groups"] == [{"name": "renamed"}]
            for s in shown
            if s is not None
        )

    await network.until(renamed, "the new names")
    assert max(pages) == 2
    (deleted,), (taken,) = [await network.ports_of(each) for each in servers[:2]]
    assert (await network.call("DELETE", f"/ports/{deleted['id']}"))[0] == 204
    await network.changed("port", taken["id"], device_id="", device_owner="")

    async def gone() -> bool:
        return not any([await network.guest_ports(each) for each in servers[:2]])

    await network.until(gone, "the interfaces of lost ports to be gone")
    await network.call("DELETE", f"/ports/{taken['id']}")
    for each in servers:
        await cluster.request("DELETE", f"/servers/{each}")
    for each in servers:
        assert await cluster.settled(each) is None
    await network.call("DELETE", f"/networks/{net['id']}")
    await network.call("DELETE", f"/security-groups/{group['id']}")

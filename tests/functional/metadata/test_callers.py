"""Who asks: by proof, by address, and who is refused."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.metadata import app as metadata
from services.metadata.callers import signature
from tests.functional.metadata.conftest import SECRET, World

PATH = "/openstack/latest/meta_data.json"


@pytest.fixture(scope="module")
async def server_id(world: World) -> str:
    return await world.created()


async def test_by_proof(world: World, server_id: str) -> None:
    answer = await world.as_guest(server_id, PATH)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert server_id in answer.text


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("X-Instance-ID-Signature", "0" * 64, 403),
        ("X-Instance-ID-Signature", None, 403),
        ("X-Instance-ID-Signature", "\xe9", 403),
        ("X-Tenant-ID", None, 400),
        ("X-Tenant-ID", "another-project", 404),
    ],
)
async def test_proofs_that_are_none(
    world: World, server_id: str, header: str, value: str | None, status: int
) -> None:
    headers = await world.proof(server_id)
    del headers[header]
    if value is not None:
        headers[header] = value
    answer = await world.ask(PATH, headers)
    assert answer.status == status
    assert server_id not in answer.text


@pytest.mark.parametrize("instance_id", [str(uuid4()), "no-uuid"])
async def test_well_signed_and_unknown(world: World, instance_id: str) -> None:
    headers = {
        "X-Instance-ID": instance_id,
        "X-Instance-ID-Signature": signature(SECRET, instance_id),
        "X-Tenant-ID": "p",
    }
    assert (await world.ask(PATH, headers)).status == 404


async def test_by_address(world: World, server_id: str) -> None:
    address = await world.address(server_id)
    for given in (address, f"10.9.9.9, {address}"):
        answer = await world.ask(PATH, {"X-Forwarded-For": given})
        assert (answer.status, server_id in answer.text) == (200, True), given
    for other in ("10.9.9.9", f"{address}, 10.9.9.9", "nowhere", ""):
        assert (await world.ask(PATH, {"X-Forwarded-For": other})).status == 404, other


async def test_one_address_in_two_networks(world: World) -> None:
    cluster = world.cluster
    root = cluster.identity_url.removesuffix("/identity") + "/network/v2.0"
    ids = []
    for name in ("left", "right"):
        _, made = await cluster.request("POST", "/networks", {"network": {"name": name}}, url=root)
        network_id = made["network"]["id"]
        subnet = {"network_id": network_id, "cidr": "198.18.0.0/24", "ip_version": 4}
        await cluster.request("POST", "/subnets", {"subnet": subnet}, url=root)
        wanted = [{"uuid": network_id, "fixed_ip": "198.18.0.9"}]
        ids.append((network_id, await world.created(networks=wanted)))
    answer = await world.ask(PATH, {"X-Forwarded-For": "198.18.0.9"})
    assert answer.status == 409
    for network_id, server_id in ids:
        headers = {"X-Forwarded-For": "198.18.0.9", "X-Neutron-Network-ID": network_id}
        answer = await world.ask(PATH, headers)
        assert (answer.status, server_id in answer.text) == (200, True)


async def test_a_port_that_names_the_server_of_another_project(
    world: World, server_id: str
) -> None:
    cluster = world.cluster
    root = cluster.identity_url.removesuffix("/identity") + "/network/v2.0"
    network_id = await cluster.network_id()
    for device_id, device_owner in ((server_id, "compute:nova"), ("no-uuid", "compute:nova")):
        port = {"network_id": network_id, "device_id": device_id, "device_owner": device_owner}
        status, made = await cluster.request(
            "POST", "/ports", {"port": port}, url=root, user="demo"
        )
        assert status == 201, made
        address = made["port"]["fixed_ips"][0]["ip_address"]
        answer = await world.ask(PATH, {"X-Forwarded-For": address})
        assert (answer.status, server_id in answer.text) == (404, False)


async def test_a_header_that_a_guest_could_send_is_not_believed(
    world: World, server_id: str
) -> None:
    await world.start(trust_forwarded_for=False, shared_secret=None)
    try:
        address = await world.address(server_id)
        assert (await world.ask(PATH, {"X-Forwarded-For": address})).status == 404
        assert (await world.as_guest(server_id, PATH)).status == 403
    finally:
        await world.start()


async def test_addresses_may_count_for_nothing(world: World, server_id: str) -> None:
    await world.start(by_address=False)
    try:
        address = await world.address(server_id)
        assert (await world.ask(PATH, {"X-Forwarded-For": address})).status == 400
        assert (await world.as_guest(server_id, PATH)).status == 200
    finally:
        await world.start()


async def test_a_deleted_server_is_nobody(world: World) -> None:
    server_id = await world.created()
    headers, address = await world.proof(server_id), await world.address(server_id)
    await world.cluster.request("DELETE", f"/servers/{server_id}")
    await world.cluster.settled(server_id)
    assert (await world.ask(PATH, headers)).status == 404
    assert (await world.ask(PATH, {"X-Forwarded-For": address})).status == 404


async def test_a_neighbour_that_is_away(world: World, server_id: str) -> None:
    settings = {"network_endpoint": "http://127.0.0.1:9", "attempts": 1}
    cluster = world.cluster
    headers = await world.proof(server_id)
    await cluster.stop_member("metadata")
    service = await cluster.start_member(
        "metadata", metadata.create, neighbours=settings,
        metadata={"listen_port": 0, "shared_secret": SECRET},
    )  # fmt: skip
    world.url = f"http://127.0.0.1:{service.port}"
    try:
        answer = await world.ask(PATH, headers)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert "127.0.0.1" not in answer.text
    finally:
        await world.start()

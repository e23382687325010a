"""Muster's own login and its clients, against the real stand-ins over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest
from structlog.testing import capture_logs

from common.auth.session import ServiceSession
from common.config.identity import IdentitySettings
from common.config.settings import NeighbourSettings, Settings
from common.errors import NotFound, Unavailable
from common.neighbours.image import ImageClient
from common.neighbours.network import NetworkClient
from common.neighbours.network_records import PortRequest
from common.runtime.ports import Clock, Ports
from services.api import app as api
from tests.functional.api.conftest import Deployment

GONE = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""


@pytest.fixture
async def session(deployment: Deployment) -> ServiceSession:
    identity = IdentitySettings(auth_url=deployment.identity_url)
    return ServiceSession(identity, NeighbourSettings(), deployment.http, Clock())


@pytest.fixture
async def network(session: ServiceSession) -> NetworkClient:
    return NetworkClient(session)


async def test_a_revoked_login_is_replaced_once(
    deployment: Deployment, session: ServiceSession
) -> None:
    first = await session.login()
    assert await session.login() is first
    headers = {"X-Auth-Token": first.token, "X-Subject-Token": first.token}
    url = f"{deployment.identity_url}/v3/auth/tokens"
    async with deployment.http.delete(url, headers=headers) as response:
        assert response.status == 204
    status, _ = await session.request("network", "GET", "/v2.0/networks")
    assert status == 200
    assert (await session.login()).token != first.token


async def test_callers_own_401_is_handed_back(session: ServiceSession) -> None:
    first = await session.login()
    status, _ = await session.request("network", "GET", "/v2.0/networks", token="wrong")
    assert status == 401
    assert await session.login() is first


async def test_wrong_password_says_which_settings(deployment: Deployment) -> None:
    identity = IdentitySettings(auth_url=deployment.identity_url, password="wrong")
    session = ServiceSession(identity, NeighbourSettings(), deployment.http, Clock())
    with pytest.raises(Unavailable) as refused:
        await session.login()
    assert "MUSTER_IDENTITY__USERNAME" in refused.value.reason
    assert "MUSTER" not in str(refused.value)


async def test_unknown_service_type(session: ServiceSession) -> None:
    with pytest.raises(Unavailable) as refused:
        await session.request("weather", "GET", "/")
    assert "has no 'weather' endpoint" in refused.value.reason


async def test_settings_win_over_the_catalog(deployment: Deployment) -> None:
    identity = IdentitySettings(auth_url=f"{deployment.identity_url}/v3/")
    neighbours = NeighbourSettings(image_endpoint=GONE, attempts=2, timeout_s=1)
    session = ServiceSession(identity, neighbours, deployment.http, Clock())
    with pytest.raises(Unavailable) as refused:
        await ImageClient(session).get("x")
    assert "127.0.0.1:9" in refused.value.reason
    assert "127.0.0.1" not in str(refused.value)


async def test_images(deployment: Deployment, session: ServiceSession) -> None:
    images = ImageClient(session)
    token = deployment.tokens["demo"]
    (cirros,) = await images.list(token=token, filters={"name": "cirros"})
    assert await images.get(cirros.id, token=token) == cirros
    assert (cirros.status, cirros.visibility) == ("active", "public")
    for unknown in (str(uuid4()), "no such/image"):
        with pytest.raises(NotFound):
            await images.get(unknown, token=token)


async def test_ports_from_birth_to_death(deployment: Deployment, network: NetworkClient) -> None:
    token = deployment.tokens["demo"]
    (private,) = await network.networks(names=["private"], token=token)
    server_id = str(uuid4())
    request = PortRequest(
        network_id=private.id,
        project_id=deployment.projects["demo"],
        device_id=server_id,
        device_owner="compute:nova",
    )
    made = await network.create_ports([request, request])
    found = await network.ports(device_id=server_id)
    assert {port.id for port in found} == {port.id for port in made}
    assert all(port.fixed_ips and port.mac_address for port in found)
    assert made[0].security_group_ids, "the project's default group"

    bound = await network.update_port(made[0].id, host_id="compute-1")
    assert bound.host_id == "compute-1"
    freed = await network.update_port(made[0].id, host_id="", device_id="", device_owner="")
    assert (freed.host_id, freed.device_id) == ("", "")
    for port in (*made, made[0]):
        await network.delete_port(port.id)
    assert await network.ports(device_id=server_id) == []
    with pytest.raises(NotFound):
        await network.port(made[0].id)


async def test_a_port_on_no_network(deployment: Deployment, network: NetworkClient) -> None:
    request = PortRequest(
        network_id=str(uuid4()),
        project_id=deployment.projects["demo"],
        device_id=str(uuid4()),
        device_owner="compute:nova",
    )
    with pytest.raises(NotFound):
        await network.create_port(request)


async def test_networks_and_groups(deployment: Deployment, network: NetworkClient) -> None:
    token = deployment.tokens["demo"]
    (private,) = await network.networks(names=["private"], token=token)
    assert await network.network(private.id, token=token) == private
    subnets = await network.subnets(network_id=private.id)
    assert {subnet.id for subnet in subnets} == set(private.subnet_ids)
    groups = await network.security_groups(project_id=deployment.projects["demo"], token=token)
    assert [group.name for group in groups] == ["default"]
    assert await network.security_groups(ids=[groups[0].id]) == groups
    assert await network.floating_ips([]) == []


@pytest.fixture
async def lonely_api(deployment: Deployment) -> AsyncIterator[str]:
    """Address of an API whose identity service does not answer."""
    settings = Settings(
        api={"listen_port": 0, "host_name": "lonely"},
        identity={"auth_url": f"{GONE}/identity"},
        neighbours={"attempts": 1},
    )
    service = api.create(settings, Ports(bus=deployment.bus, pool=deployment.pool))
    await service.start()
    yield f"http://127.0.0.1:{service.port}"
    await service.stop()


async def test_without_identity_503(deployment: Deployment, lonely_api: str) -> None:
    """Callers are told to come again, not where it is; operators are told once."""
    headers = {"X-Auth-Token": "a"}
    with capture_logs() as logs:
        for _ in range(3):
            async with deployment.http.get(
                f"{lonely_api}/v2.1/flavors", headers=headers
            ) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
                (fault,) = (await response.json()).values()
                assert fault["message"] == (
                    "The identity service is temporarily unavailable. Please try again later."
                )
    said = [entry for entry in logs if entry["event"] == "out_of_reach"]
    assert [(entry["what"], "127.0.0.1:9" in entry["reason"]) for entry in said] == [
        ("identity", True)
    ]


async def test_a_stop_says_goodbye_and_a_crash_does_not(deployment: Deployment) -> None:
    settings = Settings(api={"listen_port": 0, "host_name": "short-lived"})
    fresh = "select is_fresh(s) from services s where host = 'short-lived'"
    for end, expected in (("crash", True), ("stop", False)):
        service = api.create(settings, Ports(bus=deployment.bus, pool=deployment.pool))
        await service.start()
        await getattr(service, end)()
        assert await deployment.pool.fetchval(fresh) is expected
        with pytest.raises(aiohttp.ClientConnectorError):
            await deployment.http.get(f"http://127.0.0.1:{service.port}/")

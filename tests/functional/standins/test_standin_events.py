"""Compute hears of what happens to its servers' networks behind its back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.functional.standins.conftest import Cloud
from tests.support.wait import wait_for


class Listener:
    """The one call of compute that the network service makes."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.failures = 0

    async def take(self, request: web.Request) -> web.Response:
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        self.tokens.append(request.headers["X-Auth-Token"])
        self.events += (await request.json())["events"]
        return web.json_response({"events": self.events})


@pytest.fixture
async def listener() -> AsyncIterator[tuple[Listener, str]]:
    listener = Listener()
    app = web.Application()
    app.router.add_post("/v2.1/os-server-external-events", listener.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield listener, f"http://127.0.0.1:{runner.addresses[0][1]}/v2.1"
    await runner.cleanup()


async def test_floating_ips_and_users_changes_are_told(
    listener: tuple[Listener, str], tmp_path: Path
) -> None:
    heard, url = listener
    heard.failures = 1
    cloud = Cloud(
        tmp_path, {"compute_public_url": "http://127.0.0.1:1", "compute_internal_url": url}
    )
    await cloud.start()
    try:
        networks = (await cloud.call("GET", "/network/v2.0/networks")).want(200)["networks"]
        ids = {n["name"]: n["id"] for n in networks}
        await cloud.login("muster", project="service")
        body = {
            "port": {
                "network_id": ids["private"],
                "device_id": "server-1",
                "device_owner": "compute:nova",
                "binding:host_id": "h",
            }
        }
        ports = "/network/v2.0/ports"
        port = (await cloud.call("POST", ports, body, user="muster")).want(201)["port"]
        own = {"port": {"fixed_ips": [{"subnet_id": port["fixed_ips"][0]["subnet_id"]}]}}
        (await cloud.call("PUT", f"{ports}/{port['id']}", own, user="muster")).want(200)
        floating = {"floatingip": {"floating_network_id": ids["public"], "port_id": port["id"]}}
        (await cloud.call("POST", "/network/v2.0/floatingips", floating)).want(201)
        changed = {"name": "network-changed", "server_uuid": "server-1", "tag": port["id"]}
        await wait_for(lambda: heard.events == [changed], what="network-changed")
        (await cloud.call("DELETE", f"{ports}/{port['id']}")).want(204)
        deleted = {**changed, "name": "network-vif-deleted"}
        await wait_for(lambda: heard.events == [changed, deleted], what="network-vif-deleted")
        token = {"X-Subject-Token": heard.tokens[0]}
        shown = (await cloud.call("GET", "/identity/v3/auth/tokens", headers=token)).want(200)
        assert "service" in {r["name"] for r in shown["token"]["roles"]}
    finally:
        await cloud.stop()


async def test_when_a_port_carries_traffic_is_told_whoever_bound_it(
    listener: tuple[Listener, str], tmp_path: Path
) -> None:
    heard, url = listener
    cloud = Cloud(tmp_path, {"compute_public_url": url, "port_up_delay_s": 0.3})
    await cloud.start()
    try:
        networks = (await cloud.call("GET", "/network/v2.0/networks?name=private")).want(200)
        await cloud.login("muster", project="service")
        fields = {
            "network_id": networks["networks"][0]["id"],
            "device_id": "server-1",
            "device_owner": "compute:nova",
            "binding:host_id": "h",
        }
        ports = "/network/v2.0/ports"
        made = (await cloud.call("POST", ports, {"port": fields}, user="muster")).want(201)
        port = made["port"]
        assert port["status"] == "DOWN"
        event = {"server_uuid": "server-1", "tag": port["id"]}
        plugged = {**event, "name": "network-vif-plugged"}
        await wait_for(lambda: heard.events == [plugged], what="network-vif-plugged")
        one = f"{ports}/{port['id']}"
        assert (await cloud.call("GET", one)).want(200)["port"]["status"] == "ACTIVE"
        (await cloud.call("PUT", one, {"port": {"admin_state_up": False}})).want(200)
        told = [{**event, "name": n} for n in ("network-changed", "network-vif-unplugged")]
        await wait_for(lambda: heard.events == [plugged, *told], what="network-vif-unplugged")
        assert (await cloud.call("GET", one)).want(200)["port"]["status"] == "DOWN"
    finally:
        await cloud.stop()


async def test_nobody_listening_disturbs_nothing(cloud: Cloud) -> None:
    networks = (await cloud.call("GET", "/network/v2.0/networks")).want(200)["networks"]
    ids = {n["name"]: n["id"] for n in networks}
    fields = {"network_id": ids["private"], "device_id": "s", "device_owner": "compute:nova"}
    port = (await cloud.call("POST", "/network/v2.0/ports", {"port": fields})).want(201)["port"]
    (await cloud.call("DELETE", f"/network/v2.0/ports/{port['id']}")).want(204)

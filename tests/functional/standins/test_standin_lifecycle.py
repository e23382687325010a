"""Starting, stopping, dying and starting again."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest

from common.errors import InvalidInput, Unavailable
from tests.functional.standins.conftest import Cloud, password_login

TOKENS = "/identity/v3/auth/tokens"


@pytest.mark.parametrize("abruptly", [False, True])
async def test_what_was_acknowledged_survives(cloud: Cloud, *, abruptly: bool) -> None:
    project = await cloud.new_user("zoe")
    networks = (await cloud.call("GET", "/network/v2.0/networks?name=private")).want(200)
    network_id = networks["networks"][0]["id"]
    body = {"port": {"network_id": network_id, "device_id": "s"}}
    port = (await cloud.call("POST", "/network/v2.0/ports", body, user="zoe")).want(201)["port"]
    image = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    image_id = (await cloud.call("POST", "/image/v2/images", image)).want(201)["id"]
    (await cloud.call("PUT", f"/image/v2/images/{image_id}/file", data=b"bytes")).want(204)
    revoked = await cloud.login("demo")
    (await cloud.call("DELETE", TOKENS, headers={"X-Subject-Token": revoked})).want(204)
    images = (await cloud.call("GET", "/image/v2/images")).want(200)["images"]

    await cloud.restart(abruptly=abruptly)

    # Tokens of before are good; the revoked one is not.
    shown = (await cloud.call("GET", f"/network/v2.0/ports/{port['id']}", user="zoe")).want(200)
    assert shown["port"] == port
    (await cloud.call("GET", TOKENS, headers={"X-Subject-Token": revoked})).want(404)
    assert (await cloud.call("GET", f"/identity/v3/projects/{project}")).want(200)
    data = await cloud.call("GET", f"/image/v2/images/{image_id}/file")
    assert data.want(200) == b"bytes"
    # Seeds are there once, with the ids they had.
    assert (await cloud.call("GET", "/image/v2/images")).want(200)["images"] == images
    again = (await cloud.call("GET", "/network/v2.0/networks?name=private")).want(200)
    assert again == networks
    # An address in use before is in use after.
    second = (await cloud.call("POST", "/network/v2.0/ports", body)).want(201)["port"]
    assert second["fixed_ips"] != port["fixed_ips"]


async def test_a_password_in_the_settings_wins_only_when_it_changes(cloud: Cloud) -> None:
    user = (await cloud.call("GET", "/identity/v3/users?name=demo")).want(200)["users"][0]["id"]
    (await cloud.call("PATCH", f"/identity/v3/users/{user}", {"user": {"password": "own"}})).want(
        200
    )
    await cloud.restart()
    await cloud.login("demo", "own")
    cloud.overrides = {"demo_password": "configured"}
    await cloud.restart()
    await cloud.login("demo", "configured")
    body = password_login("demo", "own", {"name": "demo"})
    (await cloud.call("POST", TOKENS, body, user=None)).want(401)


async def test_configured_addresses_are_in_the_catalog(tmp_path: Path) -> None:
    cloud = Cloud(
        tmp_path,
        {
            "public_url": "https://cloud.example",
            "internal_url": "http://standins:5000",
            "compute_public_url": "https://cloud.example/compute/v2.1",
            "compute_internal_url": "http://api:8774/v2.1",
            "region": "North",
        },
    )
    await cloud.start()
    try:
        body = password_login("muster", "muster", {"name": "service"})
        token = (await cloud.call("POST", TOKENS, body, user=None)).want(201)["token"]
        found = {
            (entry["type"], endpoint["interface"]): endpoint["url"]
            for entry in token["catalog"]
            for endpoint in entry["endpoints"]
            if endpoint["region_id"] == "North"
        }
        assert found["network", "public"] == "https://cloud.example/network"
        assert found["network", "internal"] == "http://standins:5000/network"
        assert found["compute", "public"] == "https://cloud.example/compute/v2.1"
        assert found["compute", "internal"] == "http://api:8774/v2.1"
    finally:
        await cloud.stop()


async def test_health_needs_no_token(cloud: Cloud) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await cloud.call("GET", path, user=None)).want(200) == {"status": "ok"}


async def test_a_taken_port_is_named(cloud: Cloud, tmp_path: Path) -> None:
    other = Cloud(tmp_path / "other", {"listen_port": cloud.service.port})
    with pytest.raises(Unavailable) as caught:
        await other.start()
    message = str(caught.value)
    assert str(cloud.service.port) in message
    assert "MUSTER_STANDINS__LISTEN_PORT" in message
    assert "\n" not in message
    # What failed to start has let go of its files.
    other.overrides = {}
    await other.start()
    await other.stop()


async def test_a_state_directory_serves_one(cloud: Cloud) -> None:
    with pytest.raises(InvalidInput, match="in use by another process"):
        await Cloud(cloud.state_dir).start()


@pytest.mark.parametrize("name", ["identity", "image", "network", "volume"])
async def test_a_broken_state_file_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.sqlite"
    file.write_bytes(b"this is no database, but it is long enough to look at" * 100)
    with pytest.raises(InvalidInput) as caught:
        await Cloud(tmp_path).start()
    assert str(file) in str(caught.value)
    assert "MUSTER_STANDINS__STATE_DIR" in str(caught.value)
    assert file.read_bytes().startswith(b"this is no database")


async def test_a_state_file_of_another_format_is_refused(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    await cloud.start()
    await cloud.stop()
    with sqlite3.connect(tmp_path / "network.sqlite") as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(InvalidInput, match="has format 99"):
        await cloud.start()


async def test_a_free_port_is_chosen_and_given_back(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    await cloud.start()
    port = cloud.service.port
    assert port > 0
    await cloud.stop()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))

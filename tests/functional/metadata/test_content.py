"""What guests are told: the two forms, and the config drive that says the same."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import orjson
import pycdlib
import pytest

from common.domain.guest_data import ec2, openstack
from services.compute.drivers.simulated.console import fingerprint
from tests.functional.metadata.conftest import World

USER_DATA = b"#!/bin/sh\necho only-for-the-guest\n"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIMgpRl32MOMqKSSfGcN9YIeRJdhlF4V6e+yahUJ0jDq"


def drive_of(world: World, server_id: str) -> Path:
    (host,) = world.cluster.hosts
    return world.cluster.scratch / "compute" / host / "drives" / f"{server_id}.iso"


def files_on(image: bytes) -> dict[str, bytes]:
    iso, found = pycdlib.PyCdlib(), {}
    iso.open_fp(io.BytesIO(image))
    for folder, _, names in iso.walk(rr_path="/"):
        for name in names:
            path, content = f"{folder.rstrip('/')}/{name}", io.BytesIO()
            iso.get_file_from_iso_fp(content, rr_path=path)
            found[path.lstrip("/")] = content.getvalue()
    iso.close()
    return found


def settled(document: bytes) -> Any:
    """Without what is new each time, and what only the first boot gets."""
    said = orjson.loads(document)
    for name in ("random_seed", "admin_pass", "files"):
        said.pop(name, None)
    return said


@pytest.fixture(scope="module")
async def server_id(world: World) -> str:
    cluster = world.cluster
    key = {"name": "k1", "type": "ssh", "public_key": PUBLIC_KEY}
    await cluster.request("POST", "/os-keypairs", {"keypair": key})
    network = await cluster.network_id()
    return await world.created(
        name="Web 1",
        key_name="k1",
        config_drive=True,
        metadata={"role": "web"},
        user_data=base64.b64encode(USER_DATA).decode(),
        networks=[{"uuid": network, "tag": "front"}, {"uuid": network}],
    )


async def tree_of(world: World, server_id: str, path: str) -> Any:
    """The EC2 form put together again from its listings."""
    answer = await world.as_guest(server_id, path)
    if not path.endswith("/"):
        return answer.text
    found: dict[str, Any] = {}
    for name in answer.lines:
        if "=" in name:
            number, _, _ = name.partition("=")
            found[number] = {"_name": name, **await tree_of(world, server_id, f"{path}{number}/")}
        else:
            found[name.rstrip("/")] = await tree_of(world, server_id, path + name)
    return found


async def test_the_drive_says_what_the_service_says(world: World, server_id: str) -> None:
    files = files_on(drive_of(world, server_id).read_bytes())
    told: set[str] = set()
    for version in (*openstack.VERSIONS, "latest"):
        listed = (await world.as_guest(server_id, f"/openstack/{version}")).lines
        names = {path.rpartition("/")[2] for path in files if f"openstack/{version}/" in path}
        assert names == set(listed) - {"password"}, version
        for name in names:
            path = f"openstack/{version}/{name}"
            answer = await world.as_guest(server_id, f"/{path}")
            assert answer.status == 200
            if name == "meta_data.json":
                assert settled(files[path]) == settled(answer.body), path
            else:
                assert files[path] == answer.body, path
            told.add(path)
    for version in ("2009-04-04", "latest"):
        path = f"ec2/{version}/meta-data.json"
        tree = await tree_of(world, server_id, f"/{version}/meta-data/")
        assert orjson.loads(files[path]) == tree
        answer = await world.as_guest(server_id, f"/{version}/user-data")
        assert files[f"ec2/{version}/user-data"] == answer.body == USER_DATA
        told |= {path, f"ec2/{version}/user-data"}
    assert told == set(files)


async def test_values(world: World, server_id: str) -> None:
    row = await world.cluster.row(server_id)
    meta = settled((await world.as_guest(server_id, "/openstack/latest/meta_data.json")).body)
    first, second = row["network_info"]
    assert meta == {
        "uuid": server_id,
        "name": "Web 1",
        "hostname": "web-1.novalocal",
        "launch_index": 0,
        "availability_zone": "nova",
        "project_id": row["project_id"],
        "meta": {"role": "web"},
        "public_keys": {"k1": row["key_data"]},
        "keys": [{"name": "k1", "type": "ssh", "data": row["key_data"]}],
        "devices": [
            {"type": "nic", "bus": "pci", "address": "0000:00:03.0", "mac": first["mac"],
             "tags": ["front"]},
        ],
        "dedicated_cpus": [],
    }  # fmt: skip
    data = settled((await world.as_guest(server_id, "/openstack/latest/network_data.json")).body)
    assert [link["vif_id"] for link in data["links"]] == [first["port_id"], second["port_id"]]
    assert [network["type"] for network in data["networks"]] == ["ipv4_dhcp", "ipv4_dhcp"]


async def test_what_changes_is_told(world: World, server_id: str) -> None:
    body = {"metadata": {"role": "db"}}
    await world.cluster.request("PUT", f"/servers/{server_id}/metadata", body)
    meta = settled((await world.as_guest(server_id, "/openstack/latest/meta_data.json")).body)
    assert meta["meta"] == {"role": "db"}


async def test_every_version_is_listed_and_there(world: World, server_id: str) -> None:
    assert (await world.ask("/")).lines == [*ec2.VERSIONS, "latest"]
    listed = (await world.as_guest(server_id, "/openstack/")).lines
    assert listed == [*openstack.VERSIONS, "latest"]
    for version in ec2.VERSIONS:
        answer = await world.as_guest(server_id, f"/{version}/")
        assert answer.lines == ["meta-data/", "user-data"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/openstack/2012-08-11", "GET", 404),
        ("/openstack/latest/nothing", "GET", 404),
        ("/openstack/latest/meta_data.json/more", "GET", 404),
        ("/openstack/2012-08-10/password", "GET", 404),
        ("/openstack/content/0000", "GET", 404),
        ("/latest/meta-data/nothing", "GET", 404),
        ("/latest/meta-data/public-keys/0/_name", "GET", 404),
        ("/latest/user-data/more", "GET", 404),
        ("/2010-01-01/meta-data", "GET", 404),
        ("//openstack//latest//user_data", "GET", 200),
        ("/openstack/latest/user_data", "HEAD", 200),
        ("/openstack/latest/user_data", "POST", 405),
        ("/", "POST", 405),
        ("/openstack/latest/user_data", "DELETE", 405),
    ],
)
async def test_paths(world: World, server_id: str, path: str, method: str, status: int) -> None:
    answer = await world.as_guest(server_id, path, method=method)
    assert answer.status == status, answer


async def test_the_console_shows_what_the_guest_was_given(
    world: World, server_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body: dict[str, Any] = {"os-getConsoleOutput": {}}
    _, answer = await world.cluster.request("POST", f"/servers/{server_id}/action", body)
    row = await world.cluster.row(server_id)
    digest = hashlib.sha256(USER_DATA).hexdigest()
    size = drive_of(world, server_id).stat().st_size
    for line in (
        f"cloud-init: public key k1 {fingerprint(row['key_data'])}",
        f"cloud-init: config drive found, {size} bytes",
        f"cloud-init: user data received, {len(USER_DATA)} bytes, sha256 {digest}",
        "cloud-init: password of the administrator was set",
    ):
        assert line in answer["output"]
    assert "only-for-the-guest" not in answer["output"]
    await world.as_guest(server_id, "/openstack/latest/user_data")
    printed = capsys.readouterr()
    assert "user_data" in printed.out + printed.err, "the request was logged"
    assert "only-for-the-guest" not in printed.out + printed.err


async def test_a_drive_goes_with_its_guest(world: World) -> None:
    server_id = await world.created(config_drive=True)
    drive = drive_of(world, server_id)
    assert drive.stat().st_mode & 0o777 == 0o600
    before = files_on(drive.read_bytes())
    await world.cluster.action(server_id, {"rebuild": {"imageRef": await world.cluster.image_id()}})
    await world.cluster.settled(server_id)
    after = files_on(drive.read_bytes())
    path = "openstack/latest/meta_data.json"
    assert settled(before[path]) == settled(after[path])
    assert orjson.loads(before[path])["admin_pass"] != orjson.loads(after[path])["admin_pass"]
    await world.cluster.request("DELETE", f"/servers/{server_id}")
    await world.cluster.settled(server_id)
    assert not drive.exists()


async def test_a_server_without_a_drive_has_none(world: World) -> None:
    server_id = await world.created()
    assert not drive_of(world, server_id).exists()
    server = await world.cluster.server(server_id)
    assert server is not None
    assert server["config_drive"] == ""

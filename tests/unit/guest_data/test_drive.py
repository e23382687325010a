"""The config drive has what the metadata service says, and an image has what the drive has."""

from __future__ import annotations

import io

import orjson
import pycdlib
import pytest

from common.domain.guest_data import drive, ec2, openstack
from common.domain.guest_data.facts import apart
from common.domain.guest_data.secrets import GuestSecrets, InjectedFile, injected_files
from common.messages.compute import GuestSpec
from services.compute.config_drive import image
from tests.unit.guest_data.facts import FACTS

SEED = b"seed"
SECRETS = GuestSecrets("s3cret", (InjectedFile("/etc/a b", b"one"), InjectedFile("/b", b"\0")))


def test_without_secrets_it_is_what_the_service_says() -> None:
    files = drive.files(FACTS, SEED, GuestSecrets())
    expected: dict[str, bytes] = {}
    for version in (*openstack.VERSIONS, "latest"):
        for name, content in openstack.documents(FACTS, version, SEED).items():
            expected[f"openstack/{version}/{name}"] = content
    for version in ("2009-04-04", "latest"):
        parts = ec2.whole(FACTS, version)
        expected[f"ec2/{version}/meta-data.json"] = orjson.dumps(parts["meta-data"])
        expected[f"ec2/{version}/user-data"] = b"#!/bin/sh\n"
    assert files == expected


def test_secrets_are_on_it_and_nowhere_in_sight() -> None:
    files = drive.files(FACTS, SEED, SECRETS)
    meta = orjson.loads(files["openstack/latest/meta_data.json"])
    assert meta["admin_pass"] == "s3cret"
    contents = [files[f"openstack{file['content_path']}"] for file in meta["files"]]
    assert [file["path"] for file in meta["files"]] == ["/etc/a b", "/b"]
    assert contents == [b"one", b"\0"]
    assert "s3cret" not in repr(SECRETS)
    assert "one" not in repr(SECRETS)


def test_secrets_survive_their_way() -> None:
    assert GuestSecrets.from_text(SECRETS.to_text()) == SECRETS
    assert GuestSecrets.from_text(GuestSecrets().to_text()) == GuestSecrets()
    assert injected_files([{"path": "/a", "contents": "b25l"}]) == (InjectedFile("/a", b"one"),)


def test_the_host_is_told_the_same_facts() -> None:
    spec = GuestSpec(
        uuid=FACTS.uuid, generation=1, name="web", hostname="web", project_id="p", user_id="u",
        vcpus=1, memory_mib=1, root_gib=1, metadata=dict(FACTS.metadata), key_name=FACTS.key_name,
        public_key=FACTS.public_key, user_data=FACTS.user_data, facts=apart(FACTS),
    )  # fmt: skip
    sent = spec.model_dump_json()
    assert sent.count("IyEvYmluL3NoCg") == 1, "user data travels once"
    assert GuestSpec.model_validate_json(sent).told() == FACTS


@pytest.mark.parametrize("names", ["rr_path", "joliet_path"])
def test_the_image(names: str) -> None:
    files = drive.files(FACTS, SEED, SECRETS)
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image(files)))
    try:
        assert iso.pvd.volume_identifier.decode().strip() == "config-2"
        found: dict[str, bytes] = {}
        for folder, _, children in iso.walk(**{names: "/"}):
            for child in children:
                path, content = f"{folder.rstrip('/')}/{child}", io.BytesIO()
                iso.get_file_from_iso_fp(content, **{names: path})
                found[path.lstrip("/")] = content.getvalue()
    finally:
        iso.close()
    assert found == files


def test_an_empty_image() -> None:
    assert image({}).startswith(b"\0")

"""The OpenStack form: what each version has, and what it is."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import orjson
import pytest

from common.domain.guest_data import openstack
from common.domain.guest_data.openstack import VERSIONS, Once, OwnFile
from common.errors import NotFound
from tests.unit.guest_data.facts import BARE, FACTS, MAC, UUID

SEED = b"seed"


def said(version: str, facts: Any = FACTS, once: Once = openstack.NOTHING_ONCE) -> dict[str, Any]:
    documents = openstack.documents(facts, version, SEED, once)
    meta: dict[str, Any] = orjson.loads(documents["meta_data.json"])
    return meta


ADDED_FIELDS = {
    "2012-08-10": {
        "uuid", "name", "hostname", "launch_index", "availability_zone", "meta", "public_keys",
        "keys",
    },
    "2013-04-04": {"random_seed"},
    "2013-10-17": set(),
    "2015-10-15": {"project_id"},
    "2016-06-30": {"devices"},
    "2016-10-06": set(),
    "2017-02-22": set(),
    "2018-08-27": set(),
    "2020-10-14": {"dedicated_cpus"},
    "2025-04-04": set(),
}  # fmt: skip
ADDED_DOCUMENTS = {
    "2012-08-10": {"meta_data.json", "user_data"},
    "2013-10-17": {"vendor_data.json"},
    "2015-10-15": {"network_data.json"},
    "2016-10-06": {"vendor_data2.json"},
}


def test_every_version_adds_to_the_one_before() -> None:
    assert tuple(ADDED_FIELDS) == VERSIONS
    fields: set[str] = set()
    documents: set[str] = set()
    for version in VERSIONS:
        fields |= ADDED_FIELDS[version]
        documents |= ADDED_DOCUMENTS.get(version, set())
        assert set(said(version)) == fields, version
        assert set(openstack.documents(FACTS, version, SEED)) == documents, version


def test_latest_is_the_newest() -> None:
    assert openstack.documents(FACTS, "latest", SEED) == openstack.documents(
        FACTS, VERSIONS[-1], SEED
    )


@pytest.mark.parametrize("version", ["2012-08-11", "", "1.0", "LATEST"])
def test_unknown_versions(version: str) -> None:
    with pytest.raises(NotFound):
        openstack.documents(FACTS, version, SEED)


def test_values() -> None:
    meta = said("latest")
    key = {"name": "k1", "type": "ssh", "data": "ssh-ed25519 AAAA k1"}
    assert meta == {
        "uuid": UUID,
        "name": "web",
        "hostname": "web.novalocal",
        "launch_index": 2,
        "availability_zone": "north",
        "meta": {"role": "web"},
        "public_keys": {"k1": key["data"]},
        "keys": [key],
        "project_id": "p",
        "devices": [
            {"type": "nic", "bus": "pci", "address": "0000:00:03.0", "mac": MAC, "tags": ["front"]}
        ],
        "dedicated_cpus": [0, 1],
        "random_seed": base64.b64encode(SEED).decode(),
    }


def test_what_there_is_none_of() -> None:
    documents = openstack.documents(BARE, "latest", SEED)
    assert "user_data" not in documents
    meta = said("latest", BARE)
    assert meta.keys().isdisjoint({"meta", "public_keys", "keys", "files", "admin_pass"})
    assert meta["devices"] == []


def test_a_certificate_is_a_key_of_another_type() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    (key,) = said("latest", replace(FACTS, public_key=certificate))["keys"]
    assert key["type"] == "x509"


def test_what_is_said_once() -> None:
    once = Once([OwnFile("/etc/motd", "/content/0000")], "pw")
    meta = said("latest", once=once)
    assert meta["files"] == [{"path": "/etc/motd", "content_path": "/content/0000"}]
    assert meta["admin_pass"] == "pw"


@pytest.mark.parametrize(
    ("given", "told"),
    [("aGk=", b"hi"), ("aG\nk=", b"hi"), ("", b""), ("a", b"a"), ("#!/bin/sh", b"#!/bin/sh")],
)
def test_user_data(given: str, told: bytes) -> None:
    assert openstack.user_data(replace(FACTS, user_data=given)) == told

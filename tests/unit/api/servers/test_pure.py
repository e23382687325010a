"""Decisions about servers that need nobody else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from common.errors import InvalidInput
from services.api.identifiers import parse_uuid
from services.api.servers import names
from services.api.servers.creating.asked_place import parse_zone
from services.api.servers.images import auto_disk_config

ID = UUID("0c0ffee0-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", "web"),
        ("Web Server_1", "web-server-1"),
        ("a.b..c", "a-b-c"),
        ("-x-", "x"),
        ("ünïx", "nx"),
        ("名前", f"Server-{ID}"),
        ("___", f"Server-{ID}"),
        ("a" * 100, "a" * 63),
    ],
)
def test_hostname(name: str, expected: str) -> None:
    assert names.hostname(name, ID) == expected


def test_passwords_differ_and_have_every_kind_of_character() -> None:
    made = {names.password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        assert len(password) == 12
        assert any(c.isdigit() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.islower() for c in password)


def test_host_id_hides_the_host_from_other_projects() -> None:
    assert names.host_id("p", "h") == names.host_id("p", "h") != names.host_id("q", "h")
    assert len(names.host_id("p", "h")) == 56
    assert names.host_id("p", None) == names.host_id("p", "") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (None, None, None)),
        ("z", ("z", None, None)),
        ("z:h", ("z", "h", None)),
        (":h", (None, "h", None)),
        ("z:h:n", ("z", "h", "n")),
        ("z::n", ("z", None, "n")),
    ],
)
def test_zone_host_and_node(text: str | None, expected: tuple[Any, ...]) -> None:
    assert parse_zone(text) == expected


@pytest.mark.parametrize("text", ["z:", "z:h:", "z:h:n:x", ":"])
def test_what_is_no_zone(text: str) -> None:
    with pytest.raises(InvalidInput, match="Unable to parse availability_zone"):
        parse_zone(text)


@pytest.mark.parametrize(
    ("asked", "of_image", "expected"),
    [
        (None, None, False),
        (None, "True", True),
        ("AUTO", None, True),
        ("MANUAL", "True", False),
        (None, "Disabled", False),
    ],
)
def test_disk_config(asked: str | None, of_image: str | None, expected: bool) -> None:
    properties = {"auto_disk_config": of_image} if of_image else {}
    assert auto_disk_config(asked, properties, "i") is expected


def test_disk_config_that_the_image_forbids() -> None:
    with pytest.raises(InvalidInput, match="automatic disk resize disabled"):
        auto_disk_config("AUTO", {"auto_disk_config": "Disabled"}, "i")


def test_ids() -> None:
    assert parse_uuid(str(ID)) == parse_uuid(ID.hex) == parse_uuid(str(ID).upper()) == ID
    for text in ("", "x", f"{{{ID}}}", f"urn:uuid:{ID}", "g" * 32):
        assert parse_uuid(text) is None

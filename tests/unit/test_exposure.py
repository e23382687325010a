"""What others can reach runs with secrets of its own, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from common.config.exposure import PUBLISHED, SECRETS, refusal
from common.config.settings import Settings

OPEN = {"listen_host": "0.0.0.0"}
SERVICES = ("api", "compute", "conductor", "consoles", "metadata", "scheduler", "standins")


def _exposed(service: str, **more: Any) -> Settings:
    section = {"compute": {"consoles": OPEN}}.get(service, OPEN)
    health = {"listen_port": 0, **OPEN}
    sections: dict[str, Any] = {"health": health}
    if service in {"api", "consoles", "metadata", "standins", "compute"}:
        sections[service] = section
    return Settings(**{**sections, **more})


@pytest.mark.parametrize("service", SERVICES)
def test_on_loopback_everything_starts(service: str) -> None:
    assert refusal(Settings(), service) is None


@pytest.mark.parametrize("service", SERVICES)
def test_elsewhere_published_secrets_are_named(service: str) -> None:
    reason = refusal(_exposed(service), service)
    assert reason is not None
    assert "0.0.0.0" in reason
    assert "MUSTER_" in reason


def _with(settings: dict[str, Any], path: str, value: str) -> dict[str, Any]:
    """The settings with the one of that path changed."""
    name, _, rest = path.partition(".")
    return {**settings, name: _with(settings[name], rest, value) if rest else value}


@pytest.mark.parametrize("service", SERVICES)
def test_with_own_secrets_everything_starts(service: str) -> None:
    settings = _exposed(service).model_dump()
    for secret in SECRETS:
        settings = _with(settings, secret.setting, "of our own")
    assert refusal(Settings(**settings), service) is None


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret.setting)
@pytest.mark.parametrize("word", sorted(PUBLISHED))
def test_each_secret_counts(secret: Any, word: str) -> None:
    service = min(secret.services)
    settings = _with(_exposed(service).model_dump(), secret.setting, word)
    reason = refusal(Settings(**settings), service)
    assert reason is not None
    assert secret.variable in reason


@pytest.mark.parametrize(
    ("section", "url"),
    [
        ("database", "postgresql://muster:{}@db/muster"),
        ("database", "postgresql://muster@db/muster?password={}"),
        ("bus", "amqp://muster:{}@broker/"),
    ],
)
def test_a_password_in_an_address_counts_too(section: str, url: str) -> None:
    own: dict[str, Any] = {"identity": {"password": "own"}, "sealing": {"key": "own"}}
    own |= {"database": {"password": None}, "bus": {"password": "own"}}
    for word, starts in (("muster", False), ("our-own", True)):
        own[section] = {"url": url.format(word)}
        reason = refusal(_exposed("api", **own), "api")
        assert (reason is None) is starts
        assert starts or f"MUSTER_{section.upper()}__PASSWORD" in str(reason)


def test_no_password_is_nobodys_secret() -> None:
    reason = refusal(_exposed("metadata", identity={"password": ""}), "metadata")
    assert "MUSTER_IDENTITY__PASSWORD" in str(reason)


@pytest.mark.parametrize(("address", "starts"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_a_container_counts_as_where_it_is_published(address: str, starts: bool) -> None:
    settings = _exposed("api", exposure={"published_on": address})
    assert (refusal(settings, "api") is None) is starts


def test_one_process_has_no_broker() -> None:
    secrets = {"identity": {"password": "own"}, "sealing": {"key": "own"}}
    settings = _exposed("api", health={}, **secrets)
    assert refusal(settings, "api") is not None
    assert refusal(settings, "api", broker=False) is None

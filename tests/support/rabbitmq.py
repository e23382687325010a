"""A real RabbitMQ for tests: one private node a session, another for tests that break it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from common.config.settings import BusSettings
from deploy.local.rabbitmq import PrivateRabbitMQ


def settings_of(node: PrivateRabbitMQ) -> BusSettings:
    return BusSettings(url=node.url, password=SecretStr(node.password))


def _node() -> Iterator[PrivateRabbitMQ]:
    with tempfile.TemporaryDirectory(prefix="muster-rmq-", ignore_cleanup_errors=True) as scratch:
        node = PrivateRabbitMQ(Path(scratch) / "node")
        node.start()
        yield node
        node.kill()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[PrivateRabbitMQ]:
    """A running node shared by all tests: use queue names of your own."""
    yield from _node()


@pytest.fixture(scope="module")
def breakable_rabbitmq() -> Iterator[PrivateRabbitMQ]:
    """A running node that a test may kill and start."""
    yield from _node()

"""An agent under a scripted conductor, with real identity and image services over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.functional.standins.conftest import Cloud
from tests.integration.compute.support import Rig


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    started = Cloud(tmp_path / "standins")
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def rig(tmp_path: Path, cloud: Cloud) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "compute")
    rig.sections["identity"] = {"auth_url": f"{cloud.url}/identity"}
    await rig.begin()
    yield rig
    await rig.end()

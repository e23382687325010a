"""Conductors whose hosts only talk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from common.db.pool import Pool
from tests.integration.conductor.support import Rig


@pytest.fixture
async def rig(database_url: str, pool: Pool) -> AsyncIterator[Rig]:
    rig = Rig(database_url, pool)
    yield rig
    await rig.stop()

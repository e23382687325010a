"""A resize on the host the server is on, where `conductor.allow_resize_to_same_host` allows it."""

from __future__ import annotations

from pathlib import Path

from tests.functional.workflows.test_every_step import CASES
from tests.support.cluster import running_cluster


async def test_resize_in_place_reverts_and_confirms(database_url: str, tmp_path: Path) -> None:
    settings = {"conductor": {"allow_resize_to_same_host": True}}
    async with running_cluster(database_url, tmp_path, hosts=("a",), **settings) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        for kind, status, memory_mib in [
            ("resize", "VERIFY_RESIZE", 2048),
            ("revert_resize", "ACTIVE", 512),
            ("resize", "VERIFY_RESIZE", 2048),
            ("confirm_resize", "ACTIVE", 2048),
        ]:
            await CASES[kind].begins(cluster, server_id)
            server = await cluster.settled(server_id)
            assert server is not None
            assert (server["status"], server["flavor"]["ram"]) == (status, memory_mib), kind
            assert server["OS-EXT-SRV-ATTR:host"] == "a"
            await cluster.assert_sound()

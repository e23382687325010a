"""One of everything, so that requests find something to work on.

Owns: what is made in a fresh cluster before it is fuzzed.
May not: be strict; what cannot be made is missed by the requests that would use it.
Crash story: it lives in a cluster that is thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from deploy.load.client import Client, Unreachable

SERVERS = 6
_WAIT_S = 60.0
_POLL_S = 0.2


async def populate(client: Client) -> None:
    """Make it and wait until servers have stopped building."""
    image = (await client.get("/v2/images", service="image"))["images"][0]["id"]
    networks = await client.get("/v2.0/networks", service="network")
    network = next(each["id"] for each in networks["networks"] if not each["router:external"])
    flavor = (await client.get("/flavors"))["flavors"][0]["id"]
    made: list[tuple[str, str, Any]] = [
        ("compute", "/os-keypairs", {"keypair": {"name": "key", "type": "ssh"}}),
        ("compute", "/os-aggregates", {"aggregate": {"name": "rack"}}),
        ("compute", "/os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}}),
        ("block-storage", "/volumes", {"volume": {"size": 1, "name": "data"}}),
        ("block-storage", "/volumes", {"volume": {"size": 1, "name": "more"}}),
        ("network", "/v2.0/security-groups", {"security_group": {"name": "web"}}),
    ]
    for service, path, body in made:
        if service in client.services:
            with contextlib.suppress(Unreachable):
                await client.request("POST", path, body, service=service)
    server = {
        "flavorRef": flavor,
        "imageRef": image,
        "networks": [{"uuid": network}],
        "metadata": {"a": "b"},
        "tags": ["t"],
    }
    for number in range(SERVERS):
        await client.must("POST", "/servers", {"server": {**server, "name": f"fuzzed-{number}"}})
    async with asyncio.timeout(_WAIT_S):
        while await client.server_list("status=BUILD"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(_POLL_S)

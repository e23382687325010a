"""What there is to put into the paths of requests.

Owns: finding real values of path parameters by reading the lists that the API itself offers: the
values of `/servers/{server_id}` are the ids in `GET /servers`.
May not: know a resource. Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deploy.load.client import Client, Unreachable

MOST = 5
"""Values kept per parameter."""
_KEYS = ("id", "name", "attachment_id", "port_id", "request_id", "volumeId", "share_id", "zoneName")


async def of_paths(client: Client, paths: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """path -> parameter -> values that exist now. A parameter nothing is listed for is left out."""
    known: dict[str, list[str]] = {}
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(paths, key=lambda path: path.count("/")):
        values: dict[str, list[str]] = {}
        prefix = real = ""
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                if prefix not in known:
                    known[prefix] = await _listed(client, real)
                if known[prefix]:
                    values[segment[1:-1]] = known[prefix]
                real += "/" + (known[prefix][0] if known[prefix] else "none")
            else:
                real += f"/{segment}"
            prefix += f"/{segment}"
        found[path] = values
    return found


async def _listed(client: Client, collection: str) -> list[str]:
    try:
        answer = await client.request("GET", collection)
    except Unreachable:  # or what it answers is no JSON
        return []
    if answer.status != 200 or not isinstance(answer.body, dict):
        return []
    values = [value for item in answer.body.values() for value in _names(item)]
    return list(dict.fromkeys(values))[:MOST]


def _names(listed: Any) -> list[str]:
    """The names of the items of a list, or the keys of an object of texts."""
    if isinstance(listed, dict):
        return [str(key) for key in listed]
    names: list[str] = []
    for item in listed if isinstance(listed, list) else []:
        inner = item
        if isinstance(item, dict) and len(item) == 1:
            (inner,) = item.values()  # {"keypair": {...}}
        if isinstance(inner, dict):
            names += [str(inner[key]) for key in _KEYS if inner.get(key)][:1]
        elif isinstance(inner, str):
            names.append(inner)
    return names

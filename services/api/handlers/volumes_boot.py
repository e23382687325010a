"""Servers under the name by which clients once made them from volumes.

Everything is what it is for /servers, links included; only the path is another one, and it ends
with the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from services.api import versions
from services.api.actions import ACTION_PATH
from services.api.handlers import (
    servers,
    servers_actions,
    servers_images,
    servers_power,
    servers_rebuild,
    servers_resize,
)
from services.api.operation import Operation
from services.api.versions import before

_UNTIL = before(versions.VOLUMES_BOOT_GONE)
_ROOT = "/servers"
_PATHS = {"/servers", "/servers/detail", "/servers/{server_id}", ACTION_PATH}
_ACTIONS = {
    None, "confirmResize", "createImage", "os-start", "os-stop", "reboot", "rebuild", "resize",
    "revertResize", "trigger_crash_dump",
}  # fmt: skip
_MODULES = (
    servers, servers_actions, servers_images, servers_power, servers_rebuild, servers_resize
)  # fmt: skip


def _rows() -> Iterator[Operation]:
    for row in (row for module in _MODULES for row in module.OPERATIONS):
        if row.path in _PATHS and row.action in _ACTIONS and row.since <= _UNTIL:
            path = row.path.replace(_ROOT, "/os-volumes_boot", 1)
            yield replace(row, path=path, until=min(row.until, _UNTIL))


OPERATIONS = list(_rows())

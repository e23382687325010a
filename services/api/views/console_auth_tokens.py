"""Where a token leads, for a console proxy that is not ours.

Owns: the fields by version. May not: be shown to users. Crash story: none, a pure function.
"""

from __future__ import annotations

from typing import Any

from services.api import versions


def console(server_uuid: str, place: dict[str, Any], version: int) -> dict[str, Any]:
    shown = {
        "instance_uuid": server_uuid,
        "host": place["host"],
        "port": place["port"],
        "internal_access_path": place["internal_access_path"],
    }
    if version >= versions.SPICE_DIRECT:
        shown["tls_port"] = place["tls_port"]
    return {"console": shown}

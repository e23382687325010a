"""What a console that was made looks like.

Owns: both forms. May not: keep the address. Crash story: none, pure functions.
"""

from __future__ import annotations

from typing import Any


def of_action(type_name: str, url: str) -> dict[str, Any]:
    """The answer of the server actions."""
    return {"console": {"type": type_name, "url": url}}


def remote_console(protocol: str, type_name: str, url: str) -> dict[str, Any]:
    return {"remote_console": {"protocol": protocol, "type": type_name, "url": url}}

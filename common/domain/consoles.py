"""The kinds of remote console: what clients call them and what is carried behind the name.

Owns: the table of console types, and the form of their URLs. May not: do I/O.
Crash story: none, this is a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

ConsoleProtocol = Literal["vnc", "spice", "serial"]
"""What a guest speaks at the end of the connection."""


@dataclass(frozen=True)
class ConsoleType:
    """One row."""

    name: str
    protocol: ConsoleProtocol
    base_url: str
    """The setting, in section `consoles`, that its URLs begin with."""
    token_in_path: bool = False
    """The page hands its parameter `path` to the WebSocket, and the token is part of that."""
    carried: bool = True
    """By our own proxy; else clients come to the host themselves, led by a proxy of their own."""

    def url(self, base_url: str, token: str) -> str:
        """What a user opens."""
        query = f"token={token}"
        if self.token_in_path:
            query = f"path={quote('?' + query)}"
        return f"{base_url}{'&' if '?' in base_url else '?'}{query}"


NOVNC = ConsoleType("novnc", "vnc", "novncproxy_base_url", token_in_path=True)
SPICE_HTML5 = ConsoleType("spice-html5", "spice", "html5proxy_base_url")
SPICE_DIRECT = ConsoleType("spice-direct", "spice", "spice_direct_proxy_base_url", carried=False)
SERIAL = ConsoleType("serial", "serial", "serial_base_url")

CONSOLE_TYPES = {kind.name: kind for kind in (NOVNC, SPICE_HTML5, SPICE_DIRECT, SERIAL)}
"""By name. What the API knows beside these (xvpvnc, rdp-html5, webmks) no driver has."""

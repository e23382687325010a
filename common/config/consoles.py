"""Settings of remote consoles: what users are given, what the proxy allows, what hosts offer.

Owns: sections `consoles` (API and proxy) and `compute.consoles` (hosts).
May not: be changed after load. Crash story: none.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from common.config.section import Section
from common.domain.consoles import ConsoleProtocol


class ConsolesSettings(Section):
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=6080, ge=0, le=65535)
    """0 chooses a free port. One port serves every kind of console; the token says which."""
    enabled: list[ConsoleProtocol] = Field(default=["vnc", "spice", "serial"])
    """What users may ask for; the rest is "Unavailable console type"."""
    novncproxy_base_url: str = "http://127.0.0.1:6080/vnc_auto.html"
    """What users' browsers open; a token is added. The names are those of Nova's options."""
    html5proxy_base_url: str = "http://127.0.0.1:6080/spice_auto.html"
    spice_direct_proxy_base_url: str = "http://127.0.0.1:13002/nova"
    """A proxy for native SPICE clients, which is not part of Muster: it asks
    os-console-auth-tokens where the guest is."""
    serial_base_url: str = "ws://127.0.0.1:6080/"
    token_ttl_s: float = Field(default=600.0, gt=0)
    """How long a URL may be opened, as often as wanted; a connection may last longer."""
    allowed_origins: list[str] = Field(default_factory=list)
    """Pages of other addresses that may open consoles, e.g. "https://cloud.example.org". Pages
    served by the proxy itself always may, and so may programs that are no browsers."""
    max_connections: int = Field(default=500, ge=1)
    """Consoles carried at the same time by one proxy."""
    max_connections_per_server: int = Field(default=10, ge=1)
    idle_timeout_s: float = Field(default=1800.0, gt=0)
    """A console over which no byte has gone either way for this long is closed."""
    spice_html5_dir: Path | None = None
    """Where the files of spice-html5 are, e.g. /usr/share/spice-html5 (Debian's package); None:
    SPICE is carried, but there is no page for it."""


class HostConsolesSettings(Section):
    """Where a compute process takes connections to its guests' consoles."""

    listen_host: str = "127.0.0.1"
    """Must be reachable by console proxies, and should be by nobody else: the tickets that guests
    are reached with cross in the clear."""
    listen_port: int = Field(default=0, ge=0, le=65535)
    """0 chooses a free one; proxies are told which."""
    advertised_host: str | None = None
    """What proxies are told; default: listen_host, or for a wildcard this machine's address."""
    ticket_s: float = Field(default=30.0, gt=0)
    """A ticket opens one connection and must be used within this time."""
    max_connections: int = Field(default=500, ge=1)

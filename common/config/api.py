"""Settings of the Compute API's process.

Owns: the section `api`. May not: read anything. Crash story: none.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal

from pydantic import Field

from common.config.section import Section


class ApiSettings(Section):
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8774, ge=0, le=65535)
    """0 chooses a free port."""
    max_body_bytes: int = 114_688
    max_connections: int = Field(default=2000, ge=1)
    """Open at once; more are closed as they come."""
    idle_timeout_s: float = Field(default=75.0, gt=0)
    """A connection without a request for this long is closed."""
    header_timeout_s: float = Field(default=10.0, gt=0)
    """From the first byte of a request to the end of its head; else the connection is closed."""
    body_timeout_s: float = Field(default=20.0, gt=0)
    """To the end of its body; else 408."""
    max_limit: int = Field(default=1000, ge=1)
    """Largest page of a list."""
    rate_limit_per_s: float = Field(default=0.0, ge=0)
    """Requests per second and project; 0 means no limit."""
    rate_limit_burst: int = Field(default=200, ge=1)
    bad_tokens_per_s: float = Field(default=10.0, ge=0)
    """Tokens that turn out bad, per second and client; others are refused unasked. 0: no limit."""
    bad_tokens_burst: int = Field(default=200, ge=1)
    token_check_connections: int = Field(default=20, ge=1)
    """To the identity service, for checking tokens only: nobody else waits behind a flood."""
    host_status_precedence: Literal["documented", "nova"] = "documented"
    """Which wins when a host is both forced down and disabled: `documented` says MAINTENANCE
    (UP < UNKNOWN < DOWN < MAINTENANCE), `nova` says DOWN."""
    policy_file: Path | None = None
    """An ordinary oslo.policy policy.yaml; absent means the defaults."""
    default_availability_zone: str = "nova"
    internal_availability_zone: str = "internal"
    host_name: str = Field(default_factory=socket.gethostname)
    """Name under which this process appears in os-services."""
    behind_proxy: bool = False
    """Whether X-Forwarded-Proto, -Host and -Prefix say how clients reach the API. Only where a
    proxy sets or removes them: anybody can send them."""
    compute_link_prefix: str | None = Field(default=None, pattern=r"^https?://[^\s/]+(/\S*)?$")
    """Address that links in answers begin with, whatever the request says, e.g.
    https://cloud.example/compute (Nova's compute_link_prefix)."""

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
    max_limit: int = Field(default=1000, ge=1)
    """Largest page of a list."""
    rate_limit_per_s: float = Field(default=0.0, ge=0)
    """Requests per second and project; 0 means no limit."""
    rate_limit_burst: int = Field(default=200, ge=1)
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

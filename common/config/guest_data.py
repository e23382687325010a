"""Settings of what guests are told, and of the service that tells them.

Owns: section `metadata`. Conductors read it too: they give a config drive the same content.
May not: be read by hosts, which are told what they need with each guest.
Crash story: none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, field_validator

from common.config.section import Section

STATIC = "static"
ServiceName = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,64}$")]


class MetadataSettings(Section):
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8775, ge=0, le=65535)
    """0 chooses a free port."""
    shared_secret: SecretStr | None = None
    """With it the network service's metadata agent proves whose guest asks
    (metadata_proxy_shared_secret there). Without it such requests are refused."""
    by_address: bool = True
    """Whether a guest that asks without such proof is known by its source address."""
    trust_forwarded_for: bool = False
    """Whether X-Forwarded-For names that address, and X-Neutron-Network-ID its network. Only where
    no guest can send them itself: behind a proxy that sets both."""
    cache_s: float = Field(default=15.0, ge=0)
    """How long a guest is told what was true when it first asked."""
    cache_entries: int = Field(default=500, ge=1)
    dhcp_domain: str = "novalocal"
    """Appended to the hostnames that guests are told; empty for none."""
    force_config_drive: bool = False
    """Whether every server gets a config drive, asked for or not."""
    vendor_data_file: Path | None = None
    """A JSON object that every guest is told as vendor_data.json."""
    vendor_data_services: dict[ServiceName, str] = Field(default_factory=dict)
    """Services that are asked about each guest: name to URL. Guests see the answers under these
    names in vendor_data2.json, and the file under the name `static`."""
    vendor_data_timeout_s: float = Field(default=5.0, gt=0)
    """For connecting to such a service, and again for its answer."""
    vendor_data_required: bool = False
    """Whether a guest is told nothing, and is not built, when one does not answer; otherwise its
    part is empty."""

    @field_validator("vendor_data_services")
    @classmethod
    def _static_is_taken(cls, value: dict[str, str]) -> dict[str, str]:
        if STATIC in value:
            raise ValueError(f"the name {STATIC!r} stands for vendor_data_file; choose another")
        return value

    @field_validator("shared_secret", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

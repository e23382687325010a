"""First stage: what the body of a create request says, typed.

Owns: every refusal that needs nobody else: forms, contradictions, and what the caller may ask for.
May not: do I/O. Crash story: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.errors import InvalidInput
from services.api import versions
from services.api.request import Request
from services.api.servers import access_ip, images
from services.api.servers.creating import asked_disks, asked_networks, asked_place
from services.api.servers.creating.asked_disks import AskedDisks
from services.api.servers.creating.asked_networks import AskedNetworks
from services.api.servers.creating.asked_place import AskedPlace
from services.api.servers.flavors import SEES_PRIVATE

_ATTACH_NETWORK = "os_compute_api:servers:create:attach_network"
_EXTERNAL_NETWORK = "network:attach_external_network"
_TRUSTED_CERTS = "os_compute_api:servers:create:trusted_certs"
_HINTS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")


@dataclass(frozen=True)
class Allowed:
    """What policy lets the caller do beyond creating a server."""

    private_flavors: bool
    zero_disk: bool
    external_networks: bool


@dataclass(frozen=True)
class Asked:
    """A create request."""

    project_id: str
    user_id: str
    allowed: Allowed
    name: str
    least: int
    """How many servers there must be at least, and at most."""
    most: int
    flavorid: str
    image_id: str | None
    """None: it boots from a volume."""
    disks: AskedDisks
    key_name: str | None
    networks: AskedNetworks
    group_names: tuple[str, ...]
    """Security groups, by name or id."""
    place: AskedPlace
    hints: dict[str, Any]
    """Scheduler hints."""
    group: UUID | None
    """The server group among them."""
    hostname: str | None
    description: str | None
    disk_config: str | None
    config_drive: bool
    user_data: str | None
    admin_password: str | None
    files: list[dict[str, Any]]
    metadata: dict[str, str]
    tags: list[str]
    access_ip_v4: str | None
    access_ip_v6: str | None
    trusted_certs: list[str] | None
    reservation_only: bool


def read(request: Request) -> Asked:
    """Raises `InvalidInput` or `Forbidden`."""
    server: dict[str, Any] = request.body["server"]
    least, most = _counts(server)
    hints: dict[str, Any] = next((request.body[key] for key in _HINTS if key in request.body), {})
    _check(request, server, most)
    settings = request.app.settings
    described = request.v >= versions.OWN_DESCRIPTION
    return Asked(
        project_id=request.ctx.project_id,
        user_id=request.ctx.user_id,
        allowed=Allowed(
            private_flavors=request.can(SEES_PRIVATE),
            zero_disk=request.can(images.ZERO_DISK),
            external_networks=request.can(_EXTERNAL_NETWORK),
        ),
        name=server["name"],
        least=least,
        most=most,
        flavorid=str(server["flavorRef"]),
        image_id=server.get("imageRef") or None,
        disks=asked_disks.disks(request, server),
        key_name=server.get("key_name"),
        networks=_networks(request, server, most),
        group_names=asked_networks.group_names(server.get("security_groups")),
        place=asked_place.place(request, server),
        hints=hints,
        group=_group(hints),
        hostname=server.get("hostname"),
        description=server.get("description") if described else server["name"],
        disk_config=server.get("OS-DCF:diskConfig"),
        config_drive=server.get("config_drive", False) or settings.metadata.force_config_drive,
        user_data=server.get("user_data"),
        admin_password=server.get("adminPass"),
        files=server.get("personality", []),
        metadata=server.get("metadata", {}),
        tags=list(dict.fromkeys(server.get("tags", ()))),
        access_ip_v4=server.get("accessIPv4"),
        access_ip_v6=access_ip.shortest(server.get("accessIPv6")),
        trusted_certs=server.get("trusted_image_certificates"),
        reservation_only=server.get("return_reservation_id", False),
    )


def _counts(server: dict[str, Any]) -> tuple[int, int]:
    least = server.get("min_count", 1)
    most = server.get("max_count", least)
    if least > most:
        raise InvalidInput("min_count must be <= max_count")
    return least, most


def _check(request: Request, server: dict[str, Any], most: int) -> None:
    if server.get("trusted_image_certificates"):
        request.require(_TRUSTED_CERTS)
    if server.get("hostname") and most > 1:
        raise InvalidInput("A hostname cannot be given to several servers: max_count must be 1.")


def _group(hints: dict[str, Any]) -> UUID | None:
    """The schema lets nothing but a UUID pass."""
    named = hints.get("group")
    return None if named is None else UUID(str(named))


def _networks(request: Request, server: dict[str, Any], most: int) -> AskedNetworks:
    networks = asked_networks.networks(server.get("networks"), count=most)
    if isinstance(networks, tuple):
        request.require(_ATTACH_NETWORK)
    return networks

"""Which guest asks.

Owns: the two ways of knowing: by proof of the network service's metadata agent, which says the
guest's id and signs it, and by the address a request comes from.
May not: believe a header that a guest can send itself.
Crash story: none; asked again with the next request.

By proof (X-Instance-ID, X-Instance-ID-Signature, X-Tenant-ID): the signature is the HMAC-SHA256 of
the id under a secret that only the agent and this service have. By address: the port that has it
says whose it is. One address may be in several networks; where the proxy in front of us says which
(X-Neutron-Network-ID) only that one counts, and without that an address of several is nobody's.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from common.config.guest_data import MetadataSettings
from common.errors import Conflict, Forbidden, InvalidInput, MusterError, NotFound
from common.neighbours.network import NetworkClient
from common.runtime.ports import Clock
from services.metadata.cache import Cache

INSTANCE_ID = "X-Instance-ID"
SIGNATURE = "X-Instance-ID-Signature"
PROJECT_ID = "X-Tenant-ID"
FORWARDED_FOR = "X-Forwarded-For"
NETWORK_ID = "X-Neutron-Network-ID"
NOBODY_S = 1.0
_SERVER_PORTS = "compute:"


@dataclass(frozen=True)
class Caller:
    server_uuid: UUID
    project_id: str
    """Whose the server must be."""


class Callers:
    def __init__(self, settings: MetadataSettings, network: NetworkClient, clock: Clock) -> None:
        self._settings = settings
        self._network = network
        self._by_address: Cache[tuple[str, str | None], Caller | MusterError] = Cache(
            clock, entries=settings.cache_entries
        )

    async def identify(self, request: web.BaseRequest) -> Caller:
        """Raises `InvalidInput` and `Forbidden` for proofs that are none, `NotFound` for an address
        of no guest, `Conflict` for one of several, `Unavailable`."""
        if INSTANCE_ID in request.headers:
            return self._proven(request)
        if not self._settings.by_address:
            raise InvalidInput(f"{INSTANCE_ID} header is missing from request.")
        key = self._source(request)
        found = self._by_address.get(key)
        if found is None:
            found = await self._look_up(*key)
        if isinstance(found, MusterError):
            raise found
        return found

    async def _look_up(self, address: str, network_id: str | None) -> Caller | MusterError:
        """Also that it is nobody's is remembered, for a moment: who asks in vain asks again."""
        cache_s = self._settings.cache_s
        found: Caller | MusterError
        try:
            found = await self._owner(address, network_id)
        except (NotFound, Conflict) as error:
            found, cache_s = error, min(cache_s, NOBODY_S)
        self._by_address.put((address, network_id), found, for_s=cache_s)
        return found

    def _proven(self, request: web.BaseRequest) -> Caller:
        secret = self._settings.shared_secret
        if secret is None:
            raise Forbidden("This service has no secret to check the signature with.")
        instance_id = _only(request, INSTANCE_ID)
        project_id = _only(request, PROJECT_ID)
        expected = signature(secret.get_secret_value(), instance_id)
        given = request.headers.get(SIGNATURE, "")
        if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
            raise Forbidden("Invalid proxy request signature.")
        uuid = _uuid(instance_id)
        if uuid is None:
            raise NotFound("No such instance.")
        return Caller(uuid, project_id)

    def _source(self, request: web.BaseRequest) -> tuple[str, str | None]:
        """The address, and its network where somebody trustworthy says it. A proxy appends to
        X-Forwarded-For: the last address in it is the one that the proxy has seen."""
        given, network_id = request.remote or "", None
        if self._settings.trust_forwarded_for:
            forwarded = ",".join(request.headers.getall(FORWARDED_FOR, []))
            given = forwarded.rpartition(",")[2].strip() or given
            network_id = request.headers.get(NETWORK_ID)
        try:
            return str(ipaddress.ip_address(given.partition("%")[0])), network_id
        except ValueError:
            raise NotFound("The request comes from no address.") from None

    async def _owner(self, address: str, network_id: str | None) -> Caller:
        """Anybody can make a port that names somebody else's server, so the server must be of the
        port's project."""
        ports = await self._network.ports(ip_addresses=[address], network_id=network_id)
        owners = {
            Caller(uuid, port.project_id)
            for port in ports
            if port.device_owner.startswith(_SERVER_PORTS)
            and (uuid := _uuid(port.device_id)) is not None
        }
        if len(owners) > 1:
            raise Conflict("Several guests in different networks have the address of the request.")
        for owner in owners:
            return owner
        raise NotFound("No guest has the address of the request.")


def signature(secret: str, instance_id: str) -> str:
    """As the network service's metadata agent makes it."""
    return hmac.new(secret.encode(), instance_id.encode(), hashlib.sha256).hexdigest()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _only(request: web.BaseRequest, header: str) -> str:
    values = request.headers.getall(header, [])
    if not values:
        raise InvalidInput(f"{header} header is missing from request.")
    if len(values) > 1:
        raise InvalidInput(f"Multiple {header} headers found within request.")
    return values[0]

"""What the operator tells guests: one file for all, and services that are asked about each.

Owns: reading the file, asking the services under Muster's own token, what a failure means.
May not: cache, or show guests or logs more than a service's answer: what it is told is its user's.
Crash story: none; asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
import structlog

from common.auth.session import ServiceSession
from common.config.guest_data import STATIC, MetadataSettings
from common.domain.server import Server
from common.errors import InvalidInput, Unavailable

log = structlog.get_logger(__name__)

MOST_BYTES = 65_536
"""Of one service's answer: it travels to the host with the guest."""


class VendorData:
    """Reads the file when it is made; raises `InvalidInput` for one that cannot be used."""

    def __init__(
        self, settings: MetadataSettings, session: ServiceSession, http: aiohttp.ClientSession
    ) -> None:
        self._settings = settings
        self._session = session
        self._http = http
        self.static = _read(settings)

    async def about(self, server: Server, hostname: str) -> dict[str, Any]:
        """The content of vendor_data2.json. Raises `Unavailable` when a service does not answer and
        its answer is required."""
        services = self._settings.vendor_data_services
        question = _question(server, hostname) if services else b""
        answers = await asyncio.gather(
            *(self._answer(name, url, question) for name, url in services.items())
        )
        return {STATIC: dict(self.static), **dict(zip(services, answers, strict=True))}

    async def _answer(self, name: str, url: str, question: bytes) -> dict[str, Any]:
        try:
            return await self._ask(url, question)
        except (aiohttp.ClientError, TimeoutError, ValueError, Unavailable) as error:
            log.warning("vendor_data_missing", service=name, error=type(error).__name__)
            if self._settings.vendor_data_required:
                raise Unavailable(f"vendor data service {name!r} did not answer") from error
            return {}

    async def _ask(self, url: str, question: bytes) -> dict[str, Any]:
        most_s = self._settings.vendor_data_timeout_s
        login = await self._session.login()
        async with self._http.post(
            url,
            data=question,
            headers={"Content-Type": "application/json", "X-Auth-Token": login.token},
            timeout=aiohttp.ClientTimeout(total=2 * most_s, connect=most_s, sock_read=most_s),
            allow_redirects=False,
        ) as response:
            body = b""
            async for chunk in response.content.iter_chunked(MOST_BYTES):
                body += chunk
                if len(body) > MOST_BYTES:
                    break
        if not 200 <= response.status < 300 or len(body) > MOST_BYTES:
            raise ValueError(f"answered {response.status} with {len(body)} bytes")
        answer = orjson.loads(body or b"{}")
        if not isinstance(answer, dict):
            raise ValueError("answered something else than a JSON object")  # noqa: TRY004
        return answer


def _question(server: Server, hostname: str) -> bytes:
    return orjson.dumps(
        {
            "project-id": server.project_id,
            "instance-id": str(server.uuid),
            "image-id": server.image_ref,
            "user-data": server.user_data,
            "hostname": hostname,
            "metadata": server.metadata,
        }
    )


def _read(settings: MetadataSettings) -> Mapping[str, Any]:
    path = settings.vendor_data_file
    if path is None:
        return {}
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"metadata.vendor_data_file: {path}: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"metadata.vendor_data_file: {path} holds no JSON object")
    return content

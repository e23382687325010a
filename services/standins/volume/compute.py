"""Asking compute whether it uses an attachment.

Owns: that one question. May not: change anything; tell compute of events (../events.py does).
Crash story: nothing is kept; a question without an answer counts as "it does", because taking a
disk away from under a guest is the worse mistake.
"""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import structlog

from services.standins.web import Fault

log = structlog.get_logger(__name__)

TIMEOUT_S = 5.0
VERSION = "compute 2.89"
"""The first in which compute names its attachments."""


class Compute:
    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def uses(self, server_id: str, volume_id: str, attachment_id: str) -> bool:
        """Whether compute says that the server has the volume by this attachment."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        url = f"{self._url}/servers/{server_id}/os-volume_attachments/{volume_id}"
        try:
            headers = {"X-Auth-Token": self._token(), "OpenStack-API-Version": VERSION}
            async with self._http.get(url, headers=headers) as answer:
                if answer.status == 404:
                    return False
                if answer.status == 200:
                    found = (await answer.json())["volumeAttachment"]
                    return bool(found.get("attachment_id") == attachment_id)
                reason = f"status {answer.status}"
        except (aiohttp.ClientError, TimeoutError, Fault) as error:
            reason = repr(error)
        log.warning("compute_not_asked", server=server_id, volume=volume_id, reason=reason)
        return True

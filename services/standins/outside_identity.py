"""The token check of stand-ins that serve beside a real identity service.

Owns: asking that service whom a token speaks for, and the token under which stand-ins speak to
compute. May not: be there when the identity stand-in is; that one answers from memory.
Crash story: nothing is kept but one login; the next start logs in again.
"""

from __future__ import annotations

import aiohttp
import structlog

from common.auth.session import RENEW_BEFORE_S, ServiceSession
from common.auth.tokens import TokenChecker
from common.config.settings import Settings
from common.errors import MusterError, Unauthorized
from common.runtime.ports import Clock
from common.runtime.tasks import Tasks
from services.standins.web import Caller, Fault

log = structlog.get_logger(__name__)

HTTP_TIMEOUT_S = 30.0


class OutsideIdentity:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tasks = Tasks(clock)
        self._token = ""
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Returns with a login; Unavailable when the identity service gives none."""
        timeout = aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)
        http = self._http = aiohttp.ClientSession(timeout=timeout)
        settings = self._settings
        session = ServiceSession(settings.identity, settings.neighbours, http, self._clock)
        self._checker = TokenChecker(settings.identity, session, self._clock, self._tasks)
        self._token = (await session.login()).token
        self._tasks.spawn("renew-login", self._renew(session))

    async def _renew(self, session: ServiceSession) -> None:
        while True:
            # Twice before a session renews by itself, so that none is ever handed out too late.
            await self._clock.sleep(RENEW_BEFORE_S / 2)
            try:
                self._token = (await session.login()).token
            except MusterError as error:
                log.warning("standins_login_not_renewed", reason=str(error))

    async def authenticate(self, text: str | None) -> Caller:
        """Whom a token speaks for; Fault 401, or 503 when nobody can tell."""
        try:
            if not text:
                raise Unauthorized("The request you have made requires authentication.")
            known = await self._checker.check(text)
        except Unauthorized as error:
            raise Fault(401, str(error), "Unauthorized") from error
        except MusterError as error:
            raise Fault(503, str(error), "ServiceUnavailable") from error
        return Caller(
            user_id=known.user_id,
            user_domain_id=known.user_domain_id,
            project_id=known.project_id or "",
            roles=known.roles,
        )

    def service_token(self) -> str:
        return self._token

    async def stop(self) -> None:
        await self._tasks.stop()
        if self._http is not None:
            await self._http.close()

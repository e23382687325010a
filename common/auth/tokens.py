"""Who a token belongs to.

Owns: checking callers' tokens with the identity service, and believing the result for a while.
May not: decide what the caller may do. Tokens are kept only as digests, and never logged.
Crash story: the cache is rebuilt by asking again; a revoked token is believed for at most
`token_cache_s`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from common.auth.session import Json, ServiceSession
from common.config.identity import IdentitySettings
from common.errors import MusterError, Unauthorized, Unavailable
from common.runtime.ports import Clock
from common.runtime.tasks import Tasks
from common.telemetry.outages import Outages

MAX_CACHED = 50_000
"""Good tokens remembered at once; the least recently used goes first."""
MAX_CACHED_BAD = 1_000
"""Bad ones, apart, so that inventing them drives out no good one."""
MAX_ASKING = 1_000
"""Tokens asked about at once; who comes then is told to come again."""


@dataclass(frozen=True)
class Identity:
    """What the identity service says about one token."""

    user_id: str
    user_name: str
    user_domain_id: str
    project_id: str | None
    """None for a token without project scope."""
    project_name: str | None
    project_domain_id: str | None
    roles: frozenset[str]
    expires_at: dt.datetime


Verdict = Identity | MusterError
"""The owner of a token, `Unauthorized` (remembered) or `Unavailable` (asked again)."""


class _Remembered:
    """Verdicts by token, each until a time; the least recently used goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._verdicts: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()

    def get(self, key: bytes, now: float) -> Verdict | None:
        known = self._verdicts.get(key)
        if known is None or known[0] <= now:
            return None
        self._verdicts.move_to_end(key)
        return known[1]

    def put(self, key: bytes, until: float, verdict: Verdict) -> None:
        self._verdicts[key] = (until, verdict)
        self._verdicts.move_to_end(key)
        while len(self._verdicts) > self._most:
            self._verdicts.popitem(last=False)


class TokenChecker:
    """Checks tokens; one request per token is in flight at a time, however many wait for it."""

    def __init__(
        self, settings: IdentitySettings, session: ServiceSession, clock: Clock, tasks: Tasks
    ) -> None:
        self._cache_s = settings.token_cache_s
        self._session = session
        self._clock = clock
        self._tasks = tasks
        self._outages = Outages(clock)
        self._good, self._bad = _Remembered(MAX_CACHED), _Remembered(MAX_CACHED_BAD)
        self._asking: dict[bytes, asyncio.Task[Verdict]] = {}

    async def check(self, token: str) -> Identity:
        """The token's owner; raises `Unauthorized`, or `Unavailable` when nobody can tell."""
        key = _digest(token)
        verdict = self._remembered(key)
        if verdict is None:
            verdict = await asyncio.shield(self._ask_once(key, token))
        if isinstance(verdict, MusterError):
            raise type(verdict)(str(verdict))
        return verdict

    def remembers(self, token: str) -> bool:
        """Whether `check` will answer without asking."""
        return self._remembered(_digest(token)) is not None

    def _remembered(self, key: bytes) -> Verdict | None:
        now = self._clock.monotonic()
        return self._good.get(key, now) or self._bad.get(key, now)

    def _ask_once(self, key: bytes, token: str) -> asyncio.Task[Verdict]:
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MAX_ASKING:
                raise Unavailable("Too many tokens are being checked. Please try again later.")
            task = self._asking[key] = self._tasks.spawn("check-token", self._ask(key, token))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _ask(self, key: bytes, token: str) -> Verdict:
        try:
            status, body = await self._session.request(
                "identity",
                "GET",
                "/v3/auth/tokens",
                params={"nocatalog": "1"},
                headers={"X-Subject-Token": token},
            )
        except Unavailable as error:
            return error
        if status not in {200, 404}:
            reason = f"the identity service answered a token check with {status}"
            self._outages.away("token checks", reason)
            return Unavailable(
                "The identity service is temporarily unavailable. Please try again later.",
                reason=reason,
            )
        self._outages.back("token checks")
        verdict: Verdict = Unauthorized("The request you have made requires authentication.")
        believed_s = self._cache_s
        if status == 200:
            identity = _read(body["token"])
            left_s = (identity.expires_at - self._clock.utcnow()).total_seconds()
            if left_s > 0:
                verdict, believed_s = identity, min(believed_s, left_s)
        known = self._bad if isinstance(verdict, MusterError) else self._good
        known.put(key, self._clock.monotonic() + believed_s, verdict)
        return verdict


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _read(token: Json) -> Identity:
    user, project = token["user"], token.get("project") or {}
    return Identity(
        user_id=user["id"],
        user_name=user["name"],
        user_domain_id=user["domain"]["id"],
        project_id=project.get("id"),
        project_name=project.get("name"),
        project_domain_id=project.get("domain", {}).get("id"),
        roles=frozenset(role["name"] for role in token.get("roles", ())),
        expires_at=dt.datetime.fromisoformat(token["expires_at"]),
    )

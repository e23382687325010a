"""Checking tokens: asked once, believed for a while, never a guess."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, cast

import pytest

from common.auth import tokens
from common.auth.session import ServiceSession
from common.auth.tokens import MAX_CACHED_BAD, TokenChecker
from common.config.identity import IdentitySettings
from common.errors import Unauthorized, Unavailable
from common.runtime.ports import Clock
from common.runtime.tasks import Tasks

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


class HandClock(Clock):
    passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    def utcnow(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.passed_s)


class ScriptedIdentity:
    """Answers what `answers` says per token; counts how often it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any] | Exception] = {}
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def request(self, *_path: str, headers: dict[str, str], **_more: Any) -> Any:
        self.asked += 1
        await self.may_answer.wait()
        answer = self.answers[headers["X-Subject-Token"]]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _token(lives_s: float) -> tuple[int, Any]:
    user = {"id": "u1", "name": "user", "domain": {"id": "d1"}}
    expires_at = (START + dt.timedelta(seconds=lives_s)).isoformat().replace("+00:00", "Z")
    roles = [{"id": "r", "name": "reader"}]
    project = {"id": "p1", "name": "project", "domain": {"id": "d1"}}
    body = {"user": user, "project": project, "roles": roles, "expires_at": expires_at}
    return 200, {"token": body}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def identity() -> ScriptedIdentity:
    return ScriptedIdentity()


@pytest.fixture
async def checker(clock: HandClock, identity: ScriptedIdentity) -> TokenChecker:
    settings = IdentitySettings(token_cache_s=60)
    return TokenChecker(settings, cast("ServiceSession", identity), clock, Tasks(clock))


async def test_believed_for_a_while(
    checker: TokenChecker, identity: ScriptedIdentity, clock: HandClock
) -> None:
    identity.answers["good"] = _token(3600)
    found = await checker.check("good")
    assert (found.user_id, found.project_id, found.roles) == ("u1", "p1", frozenset({"reader"}))
    clock.passed_s = 59
    await checker.check("good")
    assert identity.asked == 1
    clock.passed_s = 61
    identity.answers["good"] = (404, None)
    with pytest.raises(Unauthorized):
        await checker.check("good")
    assert identity.asked == 2


async def test_never_beyond_its_own_end(
    checker: TokenChecker, identity: ScriptedIdentity, clock: HandClock
) -> None:
    identity.answers["short"] = _token(10)
    await checker.check("short")
    clock.passed_s = 11
    with pytest.raises(Unauthorized):
        await checker.check("short")


async def test_one_question_for_many(checker: TokenChecker, identity: ScriptedIdentity) -> None:
    identity.answers["good"] = _token(3600)
    identity.may_answer.clear()
    waiting = [asyncio.ensure_future(checker.check("good")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    identity.may_answer.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert {result.user_id for result in results[1:] if not isinstance(result, BaseException)} == {
        "u1"
    }
    assert identity.asked == 1


async def test_unreachable_is_not_unauthorised_and_not_remembered(
    checker: TokenChecker, identity: ScriptedIdentity
) -> None:
    identity.answers["good"] = Unavailable("down")
    with pytest.raises(Unavailable):
        await checker.check("good")
    identity.answers["good"] = _token(3600)
    assert (await checker.check("good")).user_id == "u1"


async def test_wrong_tokens_are_remembered(
    checker: TokenChecker, identity: ScriptedIdentity
) -> None:
    identity.answers["wrong"] = (404, None)
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await checker.check("wrong")
    assert identity.asked == 1


async def test_inventing_tokens_drives_out_no_good_one(
    checker: TokenChecker, identity: ScriptedIdentity
) -> None:
    identity.answers["good"] = _token(3600)
    await checker.check("good")
    for n in range(MAX_CACHED_BAD + 5):
        identity.answers[f"bad-{n}"] = (404, None)
        with pytest.raises(Unauthorized):
            await checker.check(f"bad-{n}")
    asked = identity.asked
    await checker.check("good")
    assert identity.asked == asked
    assert not checker.remembers("bad-0"), "the oldest of the bad ones"
    assert checker.remembers(f"bad-{MAX_CACHED_BAD}")


async def test_a_token_in_use_is_not_the_first_to_go(
    clock: HandClock, identity: ScriptedIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_CACHED", 2)
    checker = TokenChecker(
        IdentitySettings(), cast("ServiceSession", identity), clock, Tasks(clock)
    )
    for name in ("used", "idle", "used", "new"):
        identity.answers[name] = _token(3600)
        await checker.check(name)
    assert checker.remembers("used")
    assert not checker.remembers("idle")

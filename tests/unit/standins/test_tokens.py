"""Tokens: signed, bounded in time, gone when revoked, good after a restart."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from common.config.settings import StandinSettings
from common.runtime.ports import Clock, Ids
from services.standins.identity.passwords import hash_password, verify_password
from services.standins.identity.service import Identity
from services.standins.identity.tokens import Scope
from services.standins.seeding import seed_hex
from services.standins.web import Fault


class SetClock(Clock):
    """Shows the time it is told."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

    def utcnow(self) -> dt.datetime:
        return self.now


DEMO = seed_hex("user", "demo")
ON_DEMO = Scope("project", seed_hex("project", "demo"))


def start(path: Path, clock: Clock) -> Identity:
    identity = Identity(StandinSettings(state_dir=path, token_ttl_s=3600), clock, Ids())
    identity.store.open()
    with identity.store.transaction():
        identity.seed()
    return identity


def is_refused(identity: Identity, text: str) -> bool:
    try:
        identity.tokens.verify(text)
    except Fault as fault:
        return fault.status == 401
    return False


def test_a_token_lives_as_long_as_configured(tmp_path: Path) -> None:
    clock = SetClock()
    identity = start(tmp_path, clock)
    token = identity.tokens.issue(DEMO, ON_DEMO, ("password",))
    assert token.expires_at - token.issued_at == dt.timedelta(hours=1)
    clock.now += dt.timedelta(seconds=3599)
    assert not is_refused(identity, token.text)
    clock.now += dt.timedelta(seconds=1)
    assert is_refused(identity, token.text)
    identity.store.close()


def test_a_changed_token_is_refused(tmp_path: Path) -> None:
    identity = start(tmp_path, SetClock())
    text = identity.tokens.issue(DEMO, ON_DEMO, ("password",)).text
    for place in range(0, len(text), 7):
        other = "A" if text[place] != "A" else "B"
        assert is_refused(identity, text[:place] + other + text[place + 1 :])
    for junk in ("", "A", "AAAA", text[:-4], text + "AAAA", "é" * 50, text[:10] + " " + text[10:]):
        assert is_refused(identity, junk)
    identity.store.close()


def test_tokens_and_revocations_survive_a_restart_and_another_clouds_do_not_count(
    tmp_path: Path,
) -> None:
    clock = SetClock()
    identity = start(tmp_path / "one", clock)
    kept = identity.tokens.issue(DEMO, ON_DEMO, ("password",))
    revoked = identity.tokens.issue(DEMO, ON_DEMO, ("password",))
    with identity.store.transaction():
        identity.tokens.revoke(revoked)
    identity.store.close()
    identity = start(tmp_path / "one", clock)
    assert not is_refused(identity, kept.text)
    assert is_refused(identity, revoked.text)
    identity.store.close()
    stranger = start(tmp_path / "two", clock)
    assert is_refused(stranger, kept.text)
    stranger.store.close()


def test_revocations_do_not_pile_up(tmp_path: Path) -> None:
    clock = SetClock()
    identity = start(tmp_path, clock)
    token = identity.tokens.issue(DEMO, ON_DEMO, ("password",))
    with identity.store.transaction():
        identity.tokens.revoke(token)
    revocations = identity._model.revocations
    assert len(revocations) == 1
    clock.now += dt.timedelta(hours=2)
    with identity.store.transaction():
        identity.tokens.prepare()
    assert len(revocations) == 0
    identity.store.close()


@pytest.mark.parametrize("change", ["disable", "delete", "project"])
def test_a_token_ends_with_what_it_stands_for(tmp_path: Path, change: str) -> None:
    identity = start(tmp_path, SetClock())
    text = identity.tokens.issue(DEMO, ON_DEMO, ("password",)).text
    assert not is_refused(identity, text)
    model = identity._model
    user = model.users.get(DEMO)
    assert user is not None
    with identity.store.transaction():
        if change == "disable":
            model.users.put({**user, "enabled": False})
        elif change == "delete":
            model.delete_user(DEMO)
        else:
            model.delete_project(ON_DEMO.target_id)
    assert is_refused(identity, text)
    identity.store.close()


def test_passwords() -> None:
    one, two = hash_password("geheim", Ids()), hash_password("geheim", Ids())
    assert one != two
    assert "geheim" not in one
    assert verify_password("geheim", one)
    assert verify_password("geheim", two)
    assert not verify_password("Geheim", one)
    assert not verify_password("", None)
    assert verify_password("ü\ud800", hash_password("ü\ud800", Ids()))

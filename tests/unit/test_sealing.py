"""Secrets on their way through the database."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.fernet import Fernet, InvalidToken

from common.auth.sealing import seal, unseal
from common.config.settings import Settings
from common.errors import Bug


def test_there_and_back() -> None:
    sealed = seal("open sesame", "key")
    assert "sesame" not in sealed
    assert unseal(sealed, "key") == "open sesame"
    with pytest.raises(Bug, match=r"sealing\.key"):
        unseal(sealed, "another key")


def test_a_key_is_stretched() -> None:
    """One round of a hash would let somebody with the rows try millions of words a second."""
    digest = hashlib.blake2b(b"key", digest_size=32, person=b"muster-sealing").digest()
    quick = Fernet(base64.urlsafe_b64encode(digest))
    assert unseal(quick.encrypt(b"sealed before").decode(), "key") == "sealed before"
    with pytest.raises(InvalidToken):
        quick.decrypt(seal("sealed now", "key"))


def test_hosts_need_not_know_the_key() -> None:
    identity = {"password": "of the service user"}
    assert Settings(identity=identity).sealing_key == "of the service user"
    assert Settings(identity=identity, sealing={"key": "k"}).sealing_key == "k"

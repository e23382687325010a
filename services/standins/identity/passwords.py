"""Password hashes.

Owns: how a password is kept and compared. May not: see more than one password at a time.
Crash story: pure functions.
"""

from __future__ import annotations

import hashlib
import hmac

from common.runtime.ports import Ids

# Deliberately cheap (about 50 microseconds). A real cloud wants a hash that costs a third of a
# second; this service exists for development and for tests, where a run logs in a thousand times,
# its passwords are published defaults, and its database is a file in the working directory.
_COST = {"n": 16, "r": 8, "p": 1, "dklen": 32}


def hash_password(password: str, ids: Ids) -> str:
    salt = ids.uuid().bytes
    return f"{salt.hex()}${_digest(password, salt)}"


def verify_password(password: str, stored: str | None) -> bool:
    """Constant in time for every stored hash; a user without a password never matches."""
    salt, _, digest = (stored or "00$").partition("$")
    return hmac.compare_digest(_digest(password, bytes.fromhex(salt)), digest)


def _digest(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, **_COST).hex()

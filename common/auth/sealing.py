"""Short secrets that must pass through the database without being readable there.

Owns: sealing text with a key that only Muster's own services know (`Settings.sealing_key`). The
key may be a word that people chose, so it is stretched before it is used: who has the rows and
tries words pays for each.
May not: keep anything. Crash story: none; what is sealed lives and dies with the row it is in.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import TYPE_CHECKING

from common.errors import Bug

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

_SALT = b"muster: secrets on their way"
"""The same everywhere: whoever opens a secret must come to the same key."""
_COST = {"n": 2**14, "r": 8, "p": 1}


@functools.lru_cache(maxsize=8)
def _fernet(key: str) -> MultiFernet:
    """Seals with the stretched key; opens also what was sealed before keys were stretched."""
    # Imported when first needed: most conductors never see a password, and it is 8 MiB.
    from cryptography.fernet import Fernet, MultiFernet

    stretched = hashlib.scrypt(key.encode(), salt=_SALT, dklen=32, **_COST)
    before = hashlib.blake2b(key.encode(), digest_size=32, person=b"muster-sealing").digest()
    return MultiFernet([Fernet(base64.urlsafe_b64encode(each)) for each in (stretched, before)])


def seal(text: str, key: str) -> str:
    """Text that `unseal` with the same key turns back."""
    return _fernet(key).encrypt(text.encode()).decode()


def unseal(sealed: str, key: str) -> str:
    """Raises `Bug` when it was sealed with another key (services differ in sealing.key)."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(key).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Bug("a secret was sealed with another key: services differ in sealing.key") from None

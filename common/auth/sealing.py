"""Short secrets that must pass through the database without being readable there.

Owns: sealing text with a key that only Muster's own services know (the service user's password).
May not: keep anything. Crash story: none; what is sealed lives and dies with the row it is in.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from common.errors import Bug

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


def _fernet(key: str) -> Fernet:
    # Imported when first needed: most conductors never see a password, and it is 8 MiB.
    from cryptography.fernet import Fernet

    digest = hashlib.blake2b(key.encode(), digest_size=32, person=b"muster-sealing").digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def seal(text: str, key: str) -> str:
    """Text that `unseal` with the same key turns back."""
    return _fernet(key).encrypt(text.encode()).decode()


def unseal(sealed: str, key: str) -> str:
    """Raises `Bug` when it was sealed with another key (services differ in identity.password)."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(key).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Bug("a secret was sealed with another service password") from None

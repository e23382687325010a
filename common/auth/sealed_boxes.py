"""Secrets for one receiver: sealed with its public key, opened with a private key it alone has.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305, as `cryptography` offers it.
Owns: what a sealed secret looks like on its way: base64, bound to what it is about.
May not: keep a private key anywhere but in memory, or make one before it is asked for.
Crash story: the key pair ends with its process. What was sealed for it can be opened by nobody any
more, wherever it still lies; its sender seals it anew for the next one.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from common.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.hpke import Suite

# What follows imports `cryptography` when it is first needed: it costs 8 MiB, and most processes
# never see a secret.


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal_for(public_key: str, secret: str, *, about: str) -> str:
    """`secret` as only the owner of `public_key` can read it, and only as one about `about`."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    key = X25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    sealed = _suite().encrypt(secret.encode(), key, info=about.encode())
    return base64.b64encode(sealed).decode()


class KeyPair:
    """Of one life of one receiver."""

    def __init__(self) -> None:
        self._private: X25519PrivateKey | None = None

    def public_key(self) -> str:
        """Made when it is first asked for."""
        if self._private is None:
            from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

            self._private = X25519PrivateKey.generate()
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def open(self, sealed: str, *, about: str) -> str:
        """The secret. Raises `Unavailable` when it was sealed with another key, as for an earlier
        life, or about something else: the sender may seal it anew; `InvalidInput` for garbage."""
        other = Unavailable("the secret was not sealed with the present key: ask for it and repeat")
        if self._private is None:
            raise other
        from cryptography.exceptions import InvalidTag

        try:
            ciphertext = base64.b64decode(sealed, validate=True)
            return _suite().decrypt(ciphertext, self._private, info=about.encode()).decode()
        except binascii.Error:
            raise InvalidInput("the sealed secret is not base64") from None
        except InvalidTag:
            raise other from None

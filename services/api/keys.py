"""Key pairs: making them and recognising them.

Owns: the forms of keys and fingerprints that clients know. May not: keep a private key.
Crash story: a key that was made for a request that failed is lost, and nobody has it.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from common.errors import InvalidInput

RSA_BITS = 2048
CERTIFICATE_DAYS = 3650
_USER_PRINCIPAL_NAME = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_DER_UTF8_STRING = 0x0C


@dataclass(frozen=True)
class NewKey:
    public_key: str
    private_key: str


def fingerprint(kind: str, public_key: str) -> str:
    """MD5 of an ssh key, SHA-1 of a certificate; raises `InvalidInput` for neither."""
    try:
        if kind == "x509":
            certificate = x509.load_pem_x509_certificate(public_key.encode())
            digest = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - what clients show
        else:
            load_ssh_public_key(public_key.strip().encode())
            blob = _blob(public_key)
            digest = hashlib.md5(blob, usedforsecurity=False).digest()
    except (ValueError, UnsupportedAlgorithm, IndexError) as error:
        raise InvalidInput("Keypair data is invalid: failed to generate fingerprint") from error
    return digest.hex(":")


def _blob(public_key: str) -> bytes:
    return base64.b64decode(public_key.split()[1])


def generate(kind: str, user_id: str, now: dt.datetime) -> NewKey:
    """A new key; takes tens of milliseconds of CPU, so call it in a thread."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    if kind == "x509":
        return NewKey(_certificate(private, user_id, now), pem.decode())
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return NewKey(f"{line} Generated-by-Muster", pem.decode())


def _certificate(key: rsa.RSAPrivateKey, user_id: str, now: dt.datetime) -> str:
    """A self-signed client certificate that logs in as the user, the form Windows guests take."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    principal = f"{user_id}@localhost".encode()[:120]
    upn = x509.OtherName(
        _USER_PRINCIPAL_NAME, bytes([_DER_UTF8_STRING, len(principal)]) + principal
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([upn]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()

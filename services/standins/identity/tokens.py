"""Tokens: signed claims, checked against what is true now.

Owns: issuing, verifying and revoking tokens. May not: know HTTP.

A token is `base64url(claims + MAC)`, so nothing is stored per login. Roles are looked up at each
check, not at issue: a removed grant, a disabled user or a deleted project ends the token's power at
once. A token from before a change of password, or before its user, project or domain was disabled,
stays dead. What was found is kept until a document changes (`Store.revision`), which makes the
usual check one dictionary look-up.

Crash story: the signing key is a document, so tokens outlive a restart; revocations are documents
and disappear with the token's own expiry.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass

import orjson

from services.standins.identity.model import SYSTEM_ID, Model
from services.standins.store import Doc
from services.standins.web import Caller, Fault

MAC_BYTES = 24
CACHE_SIZE = 4096
UNAUTHORIZED = "The request you have made requires authentication."


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is for: project, domain, system, or `kind` empty for unscoped."""

    kind: str = ""
    target_id: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token and what it stands for now."""

    text: str
    user: Doc
    scope: Scope
    target: Doc | None
    """The project or domain of the scope."""
    roles: tuple[Doc, ...]
    methods: tuple[str, ...]
    issued_at: dt.datetime
    expires_at: dt.datetime
    audit_id: str
    credential: Doc | None
    """The application credential it came from."""
    caller: Caller


class Tokens:
    def __init__(self, model: Model, ttl_s: float) -> None:
        self._model = model
        self._ttl = dt.timedelta(seconds=ttl_s)
        self._key = b""
        self._cache: dict[str, Token] = {}
        self._cache_revision = -1

    def prepare(self) -> None:
        """Make the signing key once, drop revocations of expired tokens; in a transaction."""
        key = self._model.keys.get("tokens")
        if key is None:
            secret = self._model.ids.uuid().hex + self._model.ids.uuid().hex
            key = self._model.keys.put({"id": "tokens", "secret": secret})
        self._key = bytes.fromhex(key["secret"])
        now = self._model.clock.utcnow().timestamp()
        for revocation in [r for r in self._model.revocations if r["expires_at"] < now]:
            self._model.revocations.delete(revocation["id"])

    def issue(
        self,
        user_id: str,
        scope: Scope,
        methods: tuple[str, ...],
        *,
        credential_id: str = "",
        expires_at: dt.datetime | None = None,
    ) -> Token:
        """A new token, or Fault 401 when the user has no business in that scope."""
        now = self._model.clock.utcnow()
        expiry = min(now + self._ttl, expires_at) if expires_at else now + self._ttl
        audit_id = base64.urlsafe_b64encode(self._model.ids.uuid().bytes)[:22].decode()
        claims = [
            user_id,
            scope.kind,
            scope.target_id,
            methods,
            now.timestamp(),
            expiry.timestamp(),
            audit_id,
            credential_id,
        ]
        payload = orjson.dumps(claims)
        return self.verify(base64.urlsafe_b64encode(payload + self._mac(payload)).decode())

    def verify(self, text: str | None) -> Token:
        """The token behind `text`; Fault 401 when it is unknown, expired, revoked or powerless."""
        if not text:
            raise Fault(401, UNAUTHORIZED, "Unauthorized")
        if self._cache_revision != self._model.store.revision:
            self._cache.clear()
            self._cache_revision = self._model.store.revision
        token = self._cache.get(text)
        if token is None:
            token = self._resolve(text)
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[text] = token
        if token.expires_at <= self._model.clock.utcnow():
            raise Fault(401, UNAUTHORIZED, "Unauthorized")
        return token

    async def authenticate(self, text: str | None) -> Caller:
        """The form of `verify` that the other stand-ins use."""
        return self.verify(text).caller

    def revoke(self, token: Token) -> None:
        doc = {"id": token.audit_id, "expires_at": token.expires_at.timestamp()}
        self._model.revocations.put(doc)

    def _mac(self, payload: bytes) -> bytes:
        return hashlib.blake2b(payload, digest_size=MAC_BYTES, key=self._key).digest()

    def _resolve(self, text: str) -> Token:
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not payload or not hmac.compare_digest(mac, self._mac(payload)):
            raise Fault(401, UNAUTHORIZED, "Unauthorized")
        user_id, kind, target_id, methods, issued, expires, audit_id, credential_id = orjson.loads(
            payload
        )
        model = self._model
        user = model.users.get(user_id)
        credential = model.credentials.get(credential_id) if credential_id else None
        if (
            user is None
            or not usable(model, user)
            or audit_id in model.revocations
            or (credential_id and credential is None)
        ):
            raise Fault(401, UNAUTHORIZED, "Unauthorized")
        scope = Scope(kind, target_id)
        target, roles = resolve_scope(model, user_id, scope, credential)
        if issued < _valid_from(model, user, target):
            raise Fault(401, UNAUTHORIZED, "Unauthorized")
        return Token(
            text=text,
            user=user,
            scope=scope,
            target=target,
            roles=roles,
            methods=tuple(methods),
            issued_at=dt.datetime.fromtimestamp(issued, dt.UTC),
            expires_at=dt.datetime.fromtimestamp(expires, dt.UTC),
            audit_id=audit_id,
            credential=credential,
            caller=Caller(
                user_id=user_id,
                user_domain_id=user["domain_id"],
                project_id=target_id if kind == "project" else "",
                domain_id=target_id if kind == "domain" else "",
                system=kind == "system",
                roles=frozenset(role["name"] for role in roles),
            ),
        )


def usable(model: Model, user: Doc) -> bool:
    """Whether a user may log in at all."""
    domain = model.domains.get(user["domain_id"])
    return bool(user["enabled"] and domain is not None and domain["enabled"])


def _valid_from(model: Model, user: Doc, target: Doc | None) -> float:
    """The last moment at which a password was changed, or one of these was disabled.

    A token does not come back to life when what it stood on is enabled again.
    """
    docs = [user, target or user]
    docs += [d for doc in docs if (d := model.domains.get(doc.get("domain_id", ""))) is not None]
    return max(float(doc.get("_tokens_valid_from", 0)) for doc in docs)


def resolve_scope(
    model: Model, user_id: str, scope: Scope, credential: Doc | None
) -> tuple[Doc | None, tuple[Doc, ...]]:
    """Target and effective roles; Fault 401 when there is no enabled target or no role on it."""
    if not scope.kind:
        return None, ()
    target: Doc | None = None
    if scope.kind == "project":
        target = model.projects.get(scope.target_id)
        domain = model.domains.get(target["domain_id"]) if target else None
        live = target is not None and target["enabled"] and domain is not None and domain["enabled"]
    elif scope.kind == "domain":
        target = model.domains.get(scope.target_id)
        live = target is not None and target["enabled"]
    else:
        live = scope.target_id == SYSTEM_ID
    granted = model.granted(user_id, scope.kind, scope.target_id)
    if credential is not None:
        # A credential never outlives the grants it was made from.
        allowed = set(model.with_implied(granted))
        granted = [r["id"] for r in credential["roles"] if r["id"] in allowed]
    roles = tuple(r for i in model.effective(granted) if (r := model.roles.get(i)) is not None)
    if not live or not roles:
        raise Fault(401, UNAUTHORIZED, "Unauthorized")
    return target, roles

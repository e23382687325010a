"""`/v3/auth`: logging in, checking and revoking tokens.

Owns: the login methods and scopes. May not: create users or grants.
Every refusal of a login is the same 401, so that nobody learns which names exist.
Crash story: see tokens.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal

import orjson
from pydantic import Field

from services.standins.identity import trusts, views
from services.standins.identity.model import SYSTEM_ID, Model
from services.standins.identity.passwords import verify_password
from services.standins.identity.tokens import (
    UNAUTHORIZED,
    Scope,
    Token,
    Tokens,
    resolve_scope,
    usable,
)
from services.standins.store import Collection, Doc
from services.standins.web import Call, Fault, OpenBody, Reply, Route, parse


class Ref(OpenBody):
    id: str | None = None
    name: str | None = None


class OwnedRef(Ref):
    domain: Ref | None = None


class UserRef(OwnedRef):
    password: str = ""


class Password(OpenBody):
    user: UserRef


class TokenRef(OpenBody):
    id: str


class Credential(Ref):
    secret: str
    user: OwnedRef | None = None


class Identity(OpenBody):
    methods: list[Literal["password", "token", "application_credential"]] = Field(min_length=1)
    password: Password | None = None
    token: TokenRef | None = None
    application_credential: Credential | None = None


class System(OpenBody):
    all: bool


class ScopeBody(OpenBody):
    project: OwnedRef | None = None
    domain: Ref | None = None
    system: System | None = None
    trust: object = Field(default=None, alias="OS-TRUST:trust")


class Login(OpenBody):
    identity: Identity
    scope: ScopeBody | Literal["unscoped"] | None = None


class Auth:
    """Handlers of `/v3/auth`."""

    def __init__(self, model: Model, tokens: Tokens) -> None:
        self._model = model
        self._tokens = tokens
        self._rendered: dict[tuple[str, str, bool], bytes] = {}
        self._rendered_revision = -1

    def routes(self) -> Iterable[Route]:
        yield Route("POST", "/v3/auth/tokens", self.login, public=True)
        yield Route("GET", "/v3/auth/tokens", self.check)
        yield Route("HEAD", "/v3/auth/tokens", self.check)
        yield Route("DELETE", "/v3/auth/tokens", self.revoke)
        yield Route("GET", "/v3/auth/catalog", self.catalog)
        yield Route("GET", "/v3/auth/projects", self.projects)
        yield Route("GET", "/v3/auth/domains", self.domains)
        yield Route("GET", "/v3/auth/system", self.system)

    def login(self, call: Call) -> Reply:
        body = parse(Login, call.body, "auth")
        identity = body.identity
        method = identity.methods[0]
        if getattr(identity, method) is None:
            raise Fault(
                400, f"Failed to parse request. Required attribute '{method}' not specified"
            )
        if method == "token":
            token = self._rescope(identity.token, body.scope)
        elif method == "application_credential":
            token = self._by_credential(identity.application_credential)
        else:
            user = self._by_password(identity.password)
            token = self._tokens.issue(user["id"], self._scope(body.scope, user), ("password",))
        return self._answer(token, call, 201)

    def check(self, call: Call) -> Reply:
        asker = self._tokens.verify(call.request.headers.get("X-Auth-Token"))
        asked = self._asked(call, asker)
        return self._answer(asked, call, 200)

    def revoke(self, call: Call) -> Reply:
        asker = self._tokens.verify(call.request.headers.get("X-Auth-Token"))
        self._tokens.revoke(self._asked(call, asker))
        return Reply(204)

    def catalog(self, call: Call) -> Reply:
        links = {
            "self": f"{call.base_url}/identity/v3/auth/catalog",
            "next": None,
            "previous": None,
        }
        entries = views.catalog(self._model, call.base_url, call.caller.project_id)
        return Reply(body={"catalog": entries, "links": links})

    def projects(self, call: Call) -> Reply:
        found = self._model.projects_of(call.caller.user_id)
        live = [p for p in found if p["enabled"]]
        return Reply(body=views.listing(live, "projects", call.base_url))

    def domains(self, call: Call) -> Reply:
        found = self._model.domains_of(call.caller.user_id)
        live = [d for d in found if d["enabled"]]
        return Reply(body=views.listing(live, "domains", call.base_url))

    def system(self, call: Call) -> Reply:
        held = self._model.granted(call.caller.user_id, "system", SYSTEM_ID)
        return Reply(body={"system": [{"all": True}] if held else [], "links": {}})

    def _asked(self, call: Call, asker: Token) -> Token:
        text = call.request.headers.get("X-Subject-Token")
        if text is None:
            raise Fault(400, "The header X-Subject-Token is missing.")
        try:
            asked = self._tokens.verify(text)
        except Fault as fault:
            raise Fault(404, "Could not recognize the subject token.") from fault
        may = asker.caller.is_admin or "service" in asker.caller.roles
        if not may and asker.caller.user_id != asked.caller.user_id:
            action = "identity:validate_token"
            raise Fault(403, f"You are not authorized to perform the requested action: {action}.")
        return asked

    def _answer(self, token: Token, call: Call, status: int) -> Reply:
        """The token's document; kept, because services ask for the same one again and again."""
        if self._rendered_revision != self._model.store.revision or len(self._rendered) > 1000:
            self._rendered.clear()
            self._rendered_revision = self._model.store.revision
        with_catalog = "nocatalog" not in call.query
        key = (token.text, call.base_url, with_catalog)
        body = self._rendered.get(key)
        if body is None:
            rendered = views.token(self._model, token, call.base_url, with_catalog=with_catalog)
            body = self._rendered[key] = orjson.dumps({"token": rendered})
        headers = {"X-Subject-Token": token.text, "Vary": "X-Auth-Token"}
        return Reply(status, body, headers)

    def _by_password(self, body: Any) -> Doc:
        user = self._find(self._model.users, body.user)
        stored = user["_password"] if user is not None else None
        matches = verify_password(body.user.password, stored)
        if user is None or not matches or not usable(self._model, user):
            raise Fault(401, UNAUTHORIZED)
        return user

    def _by_credential(self, body: Any) -> Token:
        credential = self._model.credentials.get(body.id) if body.id else None
        if credential is None and body.name and body.user is not None:
            user = self._find(self._model.users, body.user)
            if user is not None:
                credential = self._model.credentials.first("name", (user["id"], body.name))
        stored = credential["_secret"] if credential is not None else None
        matches = verify_password(body.secret, stored)
        if credential is None or not matches:
            raise Fault(401, UNAUTHORIZED)
        expires_at = None
        if credential["expires_at"] is not None:
            moment = dt.datetime.fromisoformat(credential["expires_at"])
            expires_at = moment.replace(tzinfo=dt.UTC)
            if expires_at <= self._model.clock.utcnow():
                raise Fault(401, UNAUTHORIZED)
        return self._tokens.issue(
            credential["_user_id"],
            Scope("project", credential["project_id"]),
            ("application_credential",),
            credential_id=credential["id"],
            expires_at=expires_at,
        )

    def _rescope(self, body: Any, scope: ScopeBody | str | None) -> Token:
        try:
            old = self._tokens.verify(body.id)
        except Fault as fault:
            raise Fault(401, UNAUTHORIZED) from fault
        if old.credential is not None:
            raise Fault(401, UNAUTHORIZED)
        methods = tuple(dict.fromkeys(("token", *old.methods)))
        # Rescoping does not prolong: the first login decides how long.
        wanted = self._scope(scope, old.user)
        return self._tokens.issue(old.user["id"], wanted, methods, expires_at=old.expires_at)

    def _scope(self, scope: ScopeBody | str | None, user: Doc) -> Scope:
        if scope == "unscoped":
            return Scope()
        if not isinstance(scope, ScopeBody):
            return self._default_scope(user)
        if scope.trust is not None:
            raise Fault(403, trusts.DISABLED)
        if scope.project is not None:
            project = self._find(self._model.projects, scope.project)
            return Scope("project", project["id"] if project else "?")
        if scope.domain is not None:
            domain = self._domain(scope.domain)
            return Scope("domain", domain["id"] if domain else "?")
        if scope.system is not None and scope.system.all:
            return Scope("system", SYSTEM_ID)
        return Scope()

    def _default_scope(self, user: Doc) -> Scope:
        """The user's default project if it can be used; otherwise no scope."""
        if not user.get("default_project_id"):
            return Scope()
        scope = Scope("project", user["default_project_id"])
        try:
            resolve_scope(self._model, user["id"], scope, None)
        except Fault:
            return Scope()
        return scope

    def _domain(self, ref: Ref | None) -> Doc | None:
        if ref is None:
            return None
        if ref.id:
            return self._model.domains.get(ref.id)
        return self._model.domains.first("name", (None, ref.name))

    def _find(self, collection: Collection, ref: OwnedRef) -> Doc | None:
        """By id, which decides alone; or by name within a domain."""
        if ref.id:
            return collection.get(ref.id)
        domain = self._domain(ref.domain)
        return collection.first("name", (domain["id"], ref.name)) if domain else None

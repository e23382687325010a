"""What a user does for itself: changing the password, application credentials.

A credential made by a restricted one could outlive it, so a restricted one neither makes nor
deletes any. There are no access rules: nobody here would enforce them.

Owns: routes below `/v3/users/{id}`. May not: list or create users; crud.py does.
Crash story: see store.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from pydantic import Field

from services.standins.identity import views
from services.standins.identity.model import Model, stamp
from services.standins.identity.passwords import hash_password, verify_password
from services.standins.identity.tokens import Token, Tokens
from services.standins.store import Doc
from services.standins.web import Call, Fault, OpenBody, Reply, Route, parse

PLURAL = "application_credentials"


class PasswordChange(OpenBody):
    password: str
    original_password: str


class RoleRef(OpenBody):
    id: str | None = None
    name: str | None = None


class CredentialBody(OpenBody):
    name: str
    secret: str | None = None
    description: str | None = None
    expires_at: dt.datetime | None = None
    roles: list[RoleRef] = Field(default_factory=list)
    unrestricted: bool = False
    access_rules: list[object] = Field(default_factory=list)


class Users:
    def __init__(self, model: Model, tokens: Tokens) -> None:
        self._model = model
        self._tokens = tokens

    def routes(self) -> Iterable[Route]:
        yield Route("POST", "/v3/users/{user}/password", self.change_password, public=True)
        base = f"/v3/users/{{user}}/{PLURAL}"
        yield Route("GET", base, self.list_own)
        yield Route("POST", base, self.create)
        yield Route("GET", base + "/{id}", self.show)
        yield Route("DELETE", base + "/{id}", self.delete)
        yield Route("GET", "/v3/users/{user}/access_rules", self.list_access_rules)
        for method in ("GET", "DELETE"):
            yield Route(method, "/v3/users/{user}/access_rules/{id}", self.missing_access_rule)

    def change_password(self, call: Call) -> Reply:
        """Needs the old password instead of a token: also for whoever may not log in any more."""
        body = parse(PasswordChange, call.body, "user")
        user = self._model.users.get(call.param("user"))
        stored = user["_password"] if user is not None else None
        if not verify_password(body.original_password, stored) or user is None:
            raise Fault(401, "The request you have made requires authentication.")
        self._model.users.put(
            {
                **user,
                "_password": hash_password(body.password, self._model.ids),
                "_tokens_valid_from": self._model.clock.utcnow().timestamp(),
            }
        )
        return Reply(204)

    def _owner(self, call: Call) -> Doc:
        user_id = call.param("user")
        if user_id != call.caller.user_id:
            call.require_admin("identity:application_credentials")
        user = self._model.users.get(user_id)
        if user is None:
            raise Fault(404, f"Could not find user: {user_id}.")
        return user

    def _one(self, call: Call) -> Doc:
        owner = self._owner(call)
        found = self._model.credentials.get(call.param("id"))
        if found is None or found["_user_id"] != owner["id"]:
            raise Fault(404, f"Could not find application credential: {call.param('id')}.")
        return found

    def _plural(self, call: Call) -> str:
        return f"users/{call.param('user')}/{PLURAL}"

    def list_own(self, call: Call) -> Reply:
        found = self._model.credentials.find("user", self._owner(call)["id"])
        if (name := call.query.get("name")) is not None:
            found = [c for c in found if c["name"] == name]
        shown = [views.resource(c, self._plural(call), call.base_url) for c in found]
        links = {"self": f"{call.base_url}/identity/v3/{self._plural(call)}", "next": None}
        return Reply(body={PLURAL: shown, "links": links})

    def show(self, call: Call) -> Reply:
        shown = views.resource(self._one(call), self._plural(call), call.base_url)
        return Reply(body={"application_credential": shown})

    def create(self, call: Call) -> Reply:
        owner = self._owner(call)
        token = self._token(call)
        if owner["id"] != call.caller.user_id or not call.caller.project_id:
            raise Fault(403, "Application credentials are made by their user, in a project scope.")
        self._refuse_restricted(token)
        body = parse(CredentialBody, call.body, "application_credential")
        if self._model.credentials.first("name", (owner["id"], body.name)):
            raise Fault(409, f"Conflict: an application credential {body.name} exists.")
        if body.access_rules:
            raise Fault(400, "Invalid input for access_rules: this cloud has no access rules")
        secret = body.secret or self._model.ids.uuid().hex + self._model.ids.uuid().hex
        doc = {
            "id": self._model.new_id(),
            "name": body.name,
            "description": body.description,
            "project_id": call.caller.project_id,
            "roles": self._roles(body.roles, list(token.roles)),
            "expires_at": self._expiry(body.expires_at),
            "unrestricted": body.unrestricted,
            "_user_id": owner["id"],
            "_secret": hash_password(secret, self._model.ids),
        }
        self._model.credentials.put(doc)
        shown = views.resource(doc, self._plural(call), call.base_url)
        return Reply(201, {"application_credential": {**shown, "secret": secret}})

    def _token(self, call: Call) -> Token:
        return self._tokens.verify(call.request.headers.get("X-Auth-Token"))

    def _refuse_restricted(self, token: Token) -> None:
        if token.credential is not None and not token.credential["unrestricted"]:
            raise Fault(
                403, "A restricted application credential cannot manage application credentials."
            )

    def _expiry(self, moment: dt.datetime | None) -> str | None:
        """In UTC, and without a letter that says so: the form that clients parse here."""
        if moment is None:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        if aware <= self._model.clock.utcnow():
            raise Fault(400, "Invalid input for expires_at: it is over")
        return stamp(aware.astimezone(dt.UTC)).removesuffix("Z")

    def _roles(self, wanted: list[RoleRef], held: list[Doc]) -> list[Doc]:
        """The roles asked for, which the token must hold; all of its roles when none is named."""
        if not wanted:
            return [self._role(r) for r in held]
        chosen = []
        for ref in wanted:
            matches = [
                r for r in held if ref.id == r["id"] or (not ref.id and ref.name == r["name"])
            ]
            if not matches:
                raise Fault(400, f"Invalid input for roles: {ref.id or ref.name} is not held here")
            chosen.append(self._role(matches[0]))
        return chosen

    def _role(self, role: Doc) -> Doc:
        return {**views.named(role), "domain_id": role.get("domain_id")}

    def delete(self, call: Call) -> Reply:
        credential = self._one(call)
        self._refuse_restricted(self._token(call))
        self._model.credentials.delete(credential["id"])
        return Reply(204)

    def list_access_rules(self, call: Call) -> Reply:
        self._owner(call)
        self_link = f"{call.base_url}/identity/v3/users/{call.param('user')}/access_rules"
        return Reply(body={"access_rules": [], "links": {"self": self_link, "next": None}})

    def missing_access_rule(self, call: Call) -> Reply:
        self._owner(call)
        raise Fault(404, f"Could not find access rule: {call.param('id')}.")

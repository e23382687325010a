"""The identity stand-in: its parts put together.

Owns: the route table of `/identity`, the error envelope.
May not: depend on the other stand-ins; they ask it who a token speaks for.
Crash story: see store.py and tokens.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import orjson

from common.config.settings import StandinSettings
from common.runtime.ports import Clock, Ids
from services.standins.identity import seeds, views
from services.standins.identity.assignments import Assignments
from services.standins.identity.auth import Auth
from services.standins.identity.crud import Crud
from services.standins.identity.grants import Grants
from services.standins.identity.implied import Implied
from services.standins.identity.memberships import Memberships
from services.standins.identity.model import Model
from services.standins.identity.project_tags import ProjectTags
from services.standins.identity.resources import resources
from services.standins.identity.tokens import Scope, Tokens
from services.standins.identity.trusts import Trusts
from services.standins.identity.users import Users
from services.standins.seeding import seed_hex
from services.standins.store import Store
from services.standins.web import Call, Fault, Reply, Route


class Identity:
    prefix = "/identity"
    needs_role = False  # whoever can log in may ask about itself

    def __init__(self, settings: StandinSettings, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self.store = Store(settings.state_dir / "identity.sqlite")
        self._model = Model(self.store, clock, ids)
        self.tokens = Tokens(self._model, settings.token_ttl_s)

    def seed(self) -> None:
        self.tokens.prepare()
        seeds.seed(self._model, self._settings)

    def service_token(self) -> str:
        """A token of the service user, for what a stand-in tells compute."""
        service = Scope("project", seed_hex("project", "service"))
        return self.tokens.issue(seed_hex("user", "muster"), service, ("password",)).text

    def routes(self) -> Iterable[Route]:
        for path in ("", "/"):
            yield Route("GET", path, self._versions, public=True)
        for path in ("/v3", "/v3/"):
            yield Route("GET", path, self._version, public=True)
        yield from Auth(self._model, self.tokens).routes()
        yield from Users(self._model, self.tokens).routes()
        yield from Grants(self._model).routes()
        yield from Assignments(self._model).routes()
        yield from Implied(self._model).routes()
        yield from Memberships(self._model).routes()
        yield from ProjectTags(self._model).routes()
        yield from Trusts().routes()
        for resource in resources(self._model):
            yield from Crud(self._model, resource).routes()

    def fault(self, fault: Fault) -> tuple[bytes, str]:
        title = HTTPStatus(fault.status).phrase
        error = {"code": fault.status, "title": title, "message": fault.message}
        return orjson.dumps({"error": error}), "application/json"

    def _versions(self, call: Call) -> Reply:
        return Reply(300, {"versions": {"values": [views.version(call.base_url)]}})

    def _version(self, call: Call) -> Reply:
        return Reply(200, {"version": views.version(call.base_url)})

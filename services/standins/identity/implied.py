"""Roles that follow from others.

Owns: `/v3/roles/{role}/implies` and `/v3/role_inferences`. May not: work them out; model.py does.
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.standins.identity import views
from services.standins.identity.lookup import need
from services.standins.identity.model import Model
from services.standins.store import Doc
from services.standins.web import Call, Fault, Reply, Route


class Implied:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v3/role_inferences", self.list)
        yield Route("GET", "/v3/roles/{role}/implies", self.of_role)
        one = "/v3/roles/{role}/implies/{implied}"
        yield Route("PUT", one, self.add)
        yield Route("GET", one, self.show)
        yield Route("HEAD", one, self.check)
        yield Route("DELETE", one, self.remove)

    def list(self, call: Call) -> Reply:
        call.require_admin("identity:list_role_inference_rules")
        priors = [r for r in self._model.roles if self._model.implied.count("prior", r["id"])]
        return Reply(body={"role_inferences": [self._rules(call, prior) for prior in priors]})

    def of_role(self, call: Call) -> Reply:
        call.require_admin("identity:list_implied_roles")
        prior = need(self._model, "role", call.param("role"))
        return Reply(body={"role_inference": self._rules(call, prior)})

    def _rules(self, call: Call, prior: Doc) -> Doc:
        links = self._model.implied.find("prior", prior["id"])
        implied = [_view(call, need(self._model, "role", i["implied_id"])) for i in links]
        return {"prior_role": _view(call, prior), "implies": implied}

    def _pair(self, call: Call) -> tuple[Doc, Doc]:
        prior = need(self._model, "role", call.param("role"))
        return prior, need(self._model, "role", call.param("implied"))

    def add(self, call: Call) -> Reply:
        call.require_admin("identity:create_implied_role")
        prior, implied = self._pair(call)
        if prior["domain_id"] is None and implied["domain_id"] is not None:
            raise Fault(403, "A role of the whole cloud cannot imply one of a domain.")
        self._model.put_implied(prior["id"], implied["id"])
        return Reply(201, self._rule(call, prior, implied))

    def _rule(self, call: Call, prior: Doc, implied: Doc) -> Doc:
        rule = {"prior_role": _view(call, prior), "implies": _view(call, implied)}
        return {"role_inference": rule}

    def show(self, call: Call) -> Reply:
        call.require_admin("identity:get_implied_role")
        prior, implied = self._pair(call)
        if f"{prior['id']}/{implied['id']}" not in self._model.implied:
            raise Fault(404, f"{prior['id']} does not imply {implied['id']}.")
        return Reply(200, self._rule(call, prior, implied))

    def check(self, call: Call) -> Reply:
        self.show(call)
        return Reply(204)

    def remove(self, call: Call) -> Reply:
        call.require_admin("identity:delete_implied_role")
        self.show(call)
        self._model.implied.delete(f"{call.param('role')}/{call.param('implied')}")
        return Reply(204)


def _view(call: Call, role: Doc) -> Doc:
    links = {"self": f"{call.base_url}/identity/v3/roles/{role['id']}"}
    return {**views.named(role), "links": links}

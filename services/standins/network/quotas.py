"""Quotas per project.

Owns: limits, and the one check that every create passes. May not: count by itself; the indexes do.
Crash story: limits are documents; use is derived, so it cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import create_model

from services.standins.network.model import Model
from services.standins.store import Collection, Doc
from services.standins.web import Body, Call, Fault, Reply, Route, given, parse

DEFAULTS = {
    "network": 100,
    "subnet": 100,
    # A load test puts thousands of servers into one project; the compute quota is what limits them.
    "port": -1,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
    "subnetpool": -1,
    "rbac_policy": 10,
    "trunk": -1,
}

QuotaBody = create_model(  # type: ignore[call-overload]
    "QuotaBody",
    __base__=Body,
    tenant_id=(str | None, None),
    project_id=(str | None, None),
    # Clients always say whether a limit below the use is refused; it never is here.
    check_limit=(bool | None, None),
    force=(bool | None, None),
    **{name: (int, default) for name, default in DEFAULTS.items()},
)


def limits_of(model: Model, project_id: str) -> dict[str, int]:
    own = model.quotas.get(project_id) or {}
    return {name: own.get(name, default) for name, default in DEFAULTS.items()}


def check_quota(model: Model, project_id: str, name: str, docs: Collection) -> None:
    """Whether one more fits; OverQuota otherwise."""
    limit = limits_of(model, project_id).get(name, -1)
    if limit >= 0 and docs.count("project", project_id) >= limit:
        raise Fault(409, f"Quota exceeded for resources: ['{name}'].", "OverQuota")


class Quotas:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._used: dict[str, Collection] = {
            "network": model.networks,
            "subnet": model.subnets,
            "port": model.ports,
            "router": model.routers,
            "floatingip": model.floating_ips,
            "security_group": model.groups,
            "security_group_rule": model.rules,
            "trunk": model.trunks,
        }

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v2.0/quotas", self.list)
        one = "/v2.0/quotas/{project}"
        yield Route("GET", one, self.show)
        yield Route("PUT", one, self.update)
        yield Route("DELETE", one, self.delete)
        yield Route("GET", one + "/default", self.default)
        for details in ("details", "details.json"):
            yield Route("GET", f"{one}/{details}", self.details)

    def _project(self, call: Call) -> str:
        project_id = call.param("project")
        if project_id != call.caller.project_id:
            call.require_admin("get_quota")
        return project_id

    def list(self, call: Call) -> Reply:
        call.require_admin("list_quotas")
        shown = [
            {**limits_of(self._model, q["id"]), "project_id": q["id"], "tenant_id": q["id"]}
            for q in self._model.quotas
        ]
        return Reply(body={"quotas": shown})

    def show(self, call: Call) -> Reply:
        return Reply(body={"quota": limits_of(self._model, self._project(call))})

    def default(self, call: Call) -> Reply:
        self._project(call)
        return Reply(body={"quota": DEFAULTS})

    def details(self, call: Call) -> Reply:
        project_id = self._project(call)
        body: Doc = {}
        for name, limit in limits_of(self._model, project_id).items():
            docs = self._used.get(name)
            used = docs.count("project", project_id) if docs is not None else 0
            body[name] = {"limit": limit, "used": used, "reserved": 0}
        return Reply(body={"quota": body})

    def update(self, call: Call) -> Reply:
        call.require_admin("update_quota")
        project_id = call.param("project")
        sent = given(parse(QuotaBody, call.body, "quota"))
        limits = {name: value for name, value in sent.items() if name in DEFAULTS}
        for name, value in limits.items():
            if not -1 <= value < 1 << 31:
                raise Fault(400, f"Invalid input for {name}: {value} is not -1 or more")
        old = self._model.quotas.get(project_id) or {"id": project_id}
        self._model.quotas.put({**old, **limits})
        return Reply(body={"quota": limits_of(self._model, project_id)})

    def delete(self, call: Call) -> Reply:
        call.require_admin("delete_quota")
        self._model.quotas.delete(call.param("project"))
        return Reply(204)

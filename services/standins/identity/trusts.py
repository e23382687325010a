"""Trusts, which this service does not make.

Owns: what clients that look for trusts are told. A list is empty, so that whoever cleans up a
user's trusts goes on; making one is refused with the reason.
Crash story: nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.standins.web import Call, Fault, Reply, Route

DISABLED = "Trusts are disabled."


class Trusts:
    def routes(self) -> Iterable[Route]:
        base = "/v3/OS-TRUST/trusts"
        yield Route("GET", base, self.list)
        yield Route("POST", base, self.create)
        for method in ("GET", "DELETE"):
            yield Route(method, base + "/{id}", self.missing)

    def list(self, call: Call) -> Reply:
        links = {"self": call.base_url + call.request.path_qs, "next": None, "previous": None}
        return Reply(body={"trusts": [], "links": links})

    def create(self, call: Call) -> Reply:  # noqa: ARG002
        raise Fault(403, DISABLED)

    def missing(self, call: Call) -> Reply:
        raise Fault(404, f"Could not find trust: {call.param('id')}.")

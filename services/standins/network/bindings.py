"""Spare bindings of ports, by which a migration prepares the other host.

Owns: `/v2.0/ports/{id}/bindings`. The active binding is the port's own; the inactive ones are kept
in `_bindings` by host. May not: bind by itself. Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from services.standins.network.model import Model
from services.standins.network.ports import FAILING_HOST, VIF_BOUND, bound
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, Route, parse


class BindingBody(Body):
    host: str = Field(min_length=1, max_length=255)
    vnic_type: str = "normal"
    profile: dict[str, Any] | None = None


class Bindings:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        base = "/v2.0/ports/{id}/bindings"
        yield Route("GET", base, self.list)
        yield Route("POST", base, self.create)
        yield Route("GET", base + "/{host}", self.show)
        yield Route("PUT", base + "/{host}", self.update)
        yield Route("DELETE", base + "/{host}", self.delete)
        yield Route("PUT", base + "/{host}/activate", self.activate)

    def _port(self, call: Call) -> Doc:
        call.require_admin("port_bindings")
        return self._model.need(self._model.ports, call.param("id"), "Port")

    def _view(self, port: Doc, host: str) -> Doc:
        """The binding on `host`, or 404."""
        if host and host == port["binding:host_id"]:
            active = True
            spare = {"vnic_type": port["binding:vnic_type"], "profile": port["binding:profile"]}
        elif host in port["_bindings"]:
            active = False
            spare = port["_bindings"][host]
        else:
            raise Fault(
                404,
                f"Binding for port {port['id']} for host {host} could not be found.",
                "PortBindingNotFound",
            )
        vif_type = VIF_BOUND["binding:vif_type"] if host != FAILING_HOST else "binding_failed"
        return {
            "host": host,
            "vif_type": vif_type,
            "vif_details": VIF_BOUND["binding:vif_details"],
            "vnic_type": spare["vnic_type"],
            "profile": spare["profile"],
            "status": "ACTIVE" if active else "INACTIVE",
            "project_id": port["project_id"],
        }

    def list(self, call: Call) -> Reply:
        port = self._port(call)
        hosts = [h for h in (port["binding:host_id"], *port["_bindings"]) if h]
        return Reply(body={"bindings": [self._view(port, host) for host in hosts]})

    def show(self, call: Call) -> Reply:
        return Reply(body={"binding": self._view(self._port(call), call.param("host"))})

    def _put(self, port: Doc, host: str, **changes: Any) -> Doc:
        new = self._model.ports.put(self._model.changed(bound({**port, **changes})))
        return self._view(new, host)

    def create(self, call: Call) -> Reply:
        port = self._port(call)
        sent = parse(BindingBody, call.body, "binding")
        if sent.host == port["binding:host_id"] or sent.host in port["_bindings"]:
            raise Fault(
                409,
                f"Binding for port {port['id']} on host {sent.host} already exists.",
                "PortBindingAlreadyExists",
            )
        if sent.host == FAILING_HOST:
            message = f"Port {port['id']} could not be bound to host {sent.host}."
            raise Fault(500, message, "PortBindingError")
        spare = {"vnic_type": sent.vnic_type, "profile": sent.profile or {}}
        bindings = {**port["_bindings"], sent.host: spare}
        return Reply(201, {"binding": self._put(port, sent.host, _bindings=bindings)})

    def update(self, call: Call) -> Reply:
        port, host = self._port(call), call.param("host")
        old = self._view(port, host)
        sent = parse(BindingBody, {"binding": {"host": host, **_inner(call)}}, "binding")
        spare = {"vnic_type": sent.vnic_type, "profile": sent.profile or old["profile"]}
        if old["status"] == "ACTIVE":
            changes = {f"binding:{name}": value for name, value in spare.items()}
            return Reply(body={"binding": self._put(port, host, **changes)})
        bindings = {**port["_bindings"], host: spare}
        return Reply(body={"binding": self._put(port, host, _bindings=bindings)})

    def activate(self, call: Call) -> Reply:
        """The spare takes the port over; the former active binding becomes a spare."""
        port, host = self._port(call), call.param("host")
        chosen = self._view(port, host)
        if chosen["status"] == "ACTIVE":
            raise Fault(
                409,
                f"Binding for port {port['id']} on host {host} is already active.",
                "PortBindingAlreadyActive",
            )
        spares = {h: b for h, b in port["_bindings"].items() if h != host}
        if former := port["binding:host_id"]:
            vnic, profile = port["binding:vnic_type"], port["binding:profile"]
            spares[former] = {"vnic_type": vnic, "profile": profile}
        active = {
            "binding:host_id": host,
            "binding:vnic_type": chosen["vnic_type"],
            "binding:profile": chosen["profile"],
        }
        return Reply(body={"binding": self._put(port, host, _bindings=spares, **active)})

    def delete(self, call: Call) -> Reply:
        port, host = self._port(call), call.param("host")
        changes: Doc = {"_bindings": {h: b for h, b in port["_bindings"].items() if h != host}}
        if self._view(port, host)["status"] == "ACTIVE":
            changes |= {"binding:host_id": "", "binding:profile": {}}
        self._model.ports.put(self._model.changed(bound({**port, **changes})))
        return Reply(204)


def _inner(call: Call) -> Doc:
    inner = call.body.get("binding")
    return inner if isinstance(inner, dict) else {}

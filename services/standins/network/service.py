"""The network stand-in: its parts put together.

Owns: the route table of `/network`, the error envelope, the versions document.
May not: depend on another stand-in. Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from common.config.settings import StandinSettings
from common.runtime.ports import Clock, Ids
from services.standins.network import seeds
from services.standins.network.addresses import Addresses
from services.standins.network.bindings import Bindings
from services.standins.network.events import Events
from services.standins.network.floating_ips import FloatingIps
from services.standins.network.misc import Misc
from services.standins.network.model import Model
from services.standins.network.networks import Networks
from services.standins.network.ports import Ports
from services.standins.network.quotas import Quotas
from services.standins.network.routers import Routers
from services.standins.network.security_groups import SecurityGroupRules, SecurityGroups
from services.standins.network.subnets import Subnets
from services.standins.network.topology import Topologies
from services.standins.network.trunks import Trunks
from services.standins.store import Store
from services.standins.web import Fault, Route


class Network:
    prefix = "/network"
    needs_role = True

    def __init__(self, settings: StandinSettings, clock: Clock, ids: Ids, events: Events) -> None:
        self._events = events
        self.store = Store(settings.state_dir / "network.sqlite")
        self._model = Model(self.store, clock, ids)
        self._addresses = Addresses(self._model)
        self._up_delay_s = settings.port_up_delay_s

    def seed(self) -> None:
        seeds.seed(self._model, self._addresses)

    def routes(self) -> Iterable[Route]:
        model, addresses = self._model, self._addresses
        for part in (
            Misc(model),
            Networks(model),
            Subnets(model),
            Ports(model, addresses, self._events, self._up_delay_s),
            Bindings(model),
            Routers(model, addresses),
            FloatingIps(model, addresses, self._events),
            SecurityGroups(model),
            SecurityGroupRules(model),
            Quotas(model),
            Trunks(model),
            Topologies(model, addresses),
        ):
            yield from part.routes()

    def fault(self, fault: Fault) -> tuple[bytes, str]:
        if fault.status == 401:
            # Answered by the token check in front of the service, in that one's words.
            error = {"code": 401, "title": "Unauthorized", "message": fault.message}
            return orjson.dumps({"error": error}), "application/json"
        kind = fault.kind or ("PolicyNotAuthorized" if fault.status == 403 else "HTTPError")
        error = {"type": kind, "message": fault.message, "detail": ""}
        return orjson.dumps({"NeutronError": error}), "application/json"

"""The servers of a storm and what is asked of them, as their users see it.

Owns: carrying out each server's life through the Compute API, one operation after another, and
counting what became of each. May not: look anywhere else than the API; break anything.
Crash story: an operation that does not end is waited for until the caller's patience ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from deploy.chaos.devices import KINDS as DEVICES
from deploy.chaos.devices import Devices, from_volume
from deploy.chaos.retrying_client import RetryingClient
from deploy.chaos.storm.plan import Life, Operation, Plan
from deploy.chaos.storm.tally import Tally
from deploy.chaos.testbed import Testbed
from deploy.load.boots import server_body
from deploy.load.client import Refused, Unreachable

LIST_S = 0.15
LOOK_S = 0.05
CONFIRM_AGAIN_S = 10.0
FLAVORS = ("m1.tiny", "m1.small")

Server = dict[str, Any]


def _host(server: Server) -> Any:
    return server["OS-EXT-SRV-ATTR:host"]


def _runs_or_stopped(server: Server) -> bool:
    return server["status"] in ("ACTIVE", "SHUTOFF")


def _is_active(_was: Server, now: Server) -> bool:
    return bool(now["status"] == "ACTIVE")


def _at_rest(server: Server) -> bool:
    return server["status"] != "BUILD" and server["OS-EXT-STS:task_state"] is None


BODIES: dict[str, Any] = {
    "migrate": {"migrate": None},
    "live-migrate": {"os-migrateLive": {"host": None, "block_migration": "auto"}},
    "shelve": {"shelve": None},
    "unshelve": {"unshelve": None},
    "stop": {"os-stop": None},
    "start": {"os-start": None},
    "reboot": {"reboot": {"type": "HARD"}},
    "confirm": {"confirmResize": None},
    "revert": {"revertResize": None},
    "evacuate": {"evacuate": {}},
}
THEN = {"shelve": "unshelve", "stop": "start"}
"""What follows when the first has been done."""
DETACH = {"attach-volume": "detach-volume", "attach-interface": "detach-interface"}
"""What follows it where the plan says so."""

ENDS: dict[str, Callable[[Server, Server], bool]] = {
    "migrate": lambda _, now: bool(now["status"] == "VERIFY_RESIZE"),
    "resize": lambda _, now: bool(now["status"] == "VERIFY_RESIZE"),
    "live-migrate": lambda was, now: now["status"] == "ACTIVE" and _host(was) != _host(now),
    "shelve": lambda _, now: bool(now["status"] == "SHELVED_OFFLOADED"),
    "stop": lambda _, now: bool(now["status"] == "SHUTOFF"),
    "evacuate": lambda was, now: _runs_or_stopped(now) and _host(was) != _host(now),
    **dict.fromkeys(DEVICES, lambda _was, _now: True),
}
"""Whether an operation has done to a server what was asked; the others leave it ACTIVE."""


class Watch:
    """One list of all servers of a storm, asked for again and again, for everybody who waits."""

    def __init__(self, testbed: Testbed, prefix: str) -> None:
        self._testbed = testbed
        self._query = f"name=%5E{prefix}"
        self._asked_at = float("-inf")
        self.servers: dict[str, Server] = {}

    async def run(self) -> None:
        """Ask until cancelled."""
        clock = self._testbed.clock
        while True:
            began = clock.monotonic()
            try:
                found = await self._testbed.client.server_list(self._query, detail=True)
            except (Unreachable, Refused):
                pass  # the next one will do
            else:
                self.servers = {server["id"]: server for server in found}
                self._asked_at = began
            await clock.sleep(LIST_S)

    async def until(self, uuid: str, good: Callable[[Server], bool]) -> Server | None:
        """The server as soon as it is `good`, by a list asked for from now on; None: it is gone."""
        clock = self._testbed.clock
        since = clock.monotonic()
        while True:
            if self._asked_at >= since:
                server = self.servers.get(uuid)
                if server is None or good(server):
                    return server
            await clock.sleep(LOOK_S)

    async def at_rest(self, uuid: str) -> Server | None:
        """The server when nothing is in progress on it; None: it is gone."""
        return await self.until(uuid, _at_rest)


class Lives:
    """All servers of one plan."""

    def __init__(self, testbed: Testbed, plan: Plan, prefix: str, tally: Tally) -> None:
        self._testbed = testbed
        self._clock = testbed.clock
        self._plan = plan
        self._prefix = prefix
        self._tally = tally
        self._flavors: list[str] = []
        self._group = ""
        self.retrying = RetryingClient(testbed.client)
        self.watch = Watch(testbed, prefix)
        self._devices = Devices(testbed, self.retrying)
        self.unfinished = len(plan.lives)

    async def run(self) -> None:
        """Return when every life is over."""
        body = await server_body(self._testbed.client, FLAVORS[0], "cirros", "private")
        flavors = (await self._testbed.client.get("/flavors"))["flavors"]
        ids = {flavor["name"]: flavor["id"] for flavor in flavors}
        self._flavors = [ids[name] for name in FLAVORS]
        group = {"server_group": {"name": f"{self._prefix}apart", "policy": "anti-affinity"}}
        made = await self._testbed.client.must("POST", "/os-server-groups", group)
        self._group = made["server_group"]["id"]
        self._devices.network = body["networks"][0]["uuid"]
        await asyncio.gather(
            *(
                self._live(life, {**body, "name": f"{self._prefix}{number:03}"})
                for number, life in enumerate(self._plan.lives)
            )
        )

    async def _live(self, life: Life, body: dict[str, Any]) -> None:
        await self._clock.sleep(life.born_s)
        hints = {"group": self._group} if life.grouped else None
        body = from_volume(body) if life.root == "volume" else body
        made, answer = await self.retrying.create(body, hints)
        if made is None:
            self._tally.refused[f"build: {answer.status}"] += 1
        else:
            self._tally.asked["build"] += 1
            await self._go_through(life, made)
        self.unfinished -= 1

    async def _go_through(self, life: Life, uuid: str) -> None:
        if life.delete == "while it builds":
            await self._clock.sleep(life.operations[0].after_s)
            await self.delete(uuid)
            return
        server = await self.watch.at_rest(uuid)
        if server is not None and server["status"] == "ACTIVE":
            self._tally.done["build"] += 1
        for number, operation in enumerate(life.operations, 1):
            await self._clock.sleep(operation.after_s)
            server = await self.watch.at_rest(uuid)
            if server is None or server["status"] == "ERROR":
                break
            if life.delete == "in the middle" and number == len(life.operations):
                await self._ask(server, operation.kind)
                await self._clock.sleep(operation.after_s / 2)
                break
            await self._operate(server, operation)
        if life.delete != "never":
            await self.delete(uuid)

    async def _operate(self, server: Server, operation: Operation) -> None:
        now = await self.do(server, operation.kind)
        if now is None:
            return
        if operation.kind in THEN:
            await self.do(now, THEN[operation.kind])
        if operation.kind in DETACH and operation.reverted and now["status"] != "ERROR":
            await self.do(now, DETACH[operation.kind])
        while now is not None and now["status"] == "VERIFY_RESIZE":
            now = await self._settle(now, "revert" if operation.reverted else "confirm")

    async def _settle(self, server: Server, kind: str) -> Server | None:
        """One attempt to end a resize. Neither is seen in a task_state from the first moment on,
        and one that fails leaves the server as it was, to be asked again."""
        uuid = server["id"]
        accepted = await self._ask(server, kind)
        try:
            async with asyncio.timeout(CONFIRM_AGAIN_S):
                now = await self.watch.until(
                    uuid, lambda s: s["status"] != "VERIFY_RESIZE" and _at_rest(s)
                )
        except TimeoutError:
            return await self.watch.at_rest(uuid)
        if accepted and now is not None and now["status"] != "ERROR":
            self._tally.done[kind] += 1
        return now

    async def confirm_rest(self) -> None:
        """Resizes that nobody has ended: an evacuation may come between a resize and the look at
        what became of it."""
        for uuid in list(self.watch.servers):
            now = await self.watch.at_rest(uuid)
            while now is not None and now["status"] == "VERIFY_RESIZE":
                now = await self._settle(now, "confirm")

    async def do(self, server: Server, kind: str) -> Server | None:
        """One operation to its end; None when it was refused or the server is gone."""
        if not await self._ask(server, kind):
            return None
        device_done = kind not in DEVICES or await self._devices.ended(server, kind)
        now = await self.watch.at_rest(server["id"])
        if now is not None and device_done and ENDS.get(kind, _is_active)(server, now):
            self._tally.done[kind] += 1
        return now if device_done else None

    def _flavor_body(self, server: Server) -> dict[str, Any]:
        """A resize to the flavor that it does not have."""
        small = server["flavor"]["original_name"] == FLAVORS[0]
        return {"resize": {"flavorRef": self._flavors[1 if small else 0]}}

    async def _ask(self, server: Server, kind: str) -> bool:
        if kind in DEVICES:
            answer = await self._devices.ask(server, kind)
        else:
            body = self._flavor_body(server) if kind == "resize" else BODIES[kind]
            answer = await self.retrying.ask("POST", f"/servers/{server['id']}/action", body)
        if answer.status >= 300:
            self._tally.refused[f"{kind}: {answer.status}"] += 1
            return False
        self._tally.asked[kind] += 1
        return True

    async def delete(self, uuid: str) -> None:
        """Return when it is gone."""
        self._tally.asked["delete"] += 1
        answer = await self.retrying.ask("DELETE", f"/servers/{uuid}")
        if answer.status not in (204, 404):
            self._tally.refused[f"delete: {answer.status}"] += 1
            return
        gone = await self.watch.until(
            uuid, lambda s: s["status"] == "ERROR" and s["OS-EXT-STS:task_state"] is None
        )
        if gone is None:
            self._tally.done["delete"] += 1

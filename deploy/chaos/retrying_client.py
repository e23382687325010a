"""A client as careful as a user of an unreliable cluster has to be.

Owns: repeating what may be repeated, and finding out whether a POST without an answer has made a
server: by its name, which is unique.
May not: hide anything; every repetition is counted by reason.
Crash story: holds counters only.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from deploy.load.client import Answer, Client, Unreachable

PAUSE_S = 0.25
HINTS = "os:scheduler_hints"
TRANSIENT = frozenset({429, 500, 502, 503, 504})


class RetryingClient:
    """Requests that go on until they are answered for good; bound them by a timeout outside."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._clock = client.clock
        self.retried: Counter[str] = Counter()

    async def _once(
        self, method: str, path: str, body: Any = None, service: str = "compute"
    ) -> Answer | None:
        """None: nobody knows whether it was carried out."""
        try:
            answer = await self._client.request(method, path, body, service=service)
        except Unreachable:
            self.retried[f"{method} without an answer"] += 1
            return None
        if answer.status in TRANSIENT:
            self.retried[f"{method} answered {answer.status} {answer.reason[:80]}".strip()] += 1
            return None
        return answer

    async def ask(
        self, method: str, path: str, body: Any = None, *, service: str = "compute"
    ) -> Answer:
        """For requests that may be repeated: GET, PUT, DELETE."""
        while (answer := await self._once(method, path, body, service)) is None:
            await self._clock.sleep(PAUSE_S)
        return answer

    async def create(
        self, server: dict[str, Any], hints: dict[str, Any] | None = None
    ) -> tuple[str | None, Answer]:
        """(id, last answer) of a server with this name, made once; id None: refused.

        After a lost answer the name is looked for before POST is repeated, and after a pause: the
        transaction of a killed API may still be ending in the database.
        """
        body = {"server": server} if hints is None else {"server": server, HINTS: hints}
        while True:
            answer = await self._once("POST", "/servers", body)
            if answer is not None:
                made = answer.body["server"]["id"] if answer.status == 202 else None
                return made, answer
            await self._clock.sleep(PAUSE_S)
            look = await self.ask("GET", f"/servers?name=%5E{server['name']}%24")
            found = look.body.get("servers") if look.status == 200 else None
            if found:
                self.retried["POST whose server was there after all"] += 1
                return str(found[0]["id"]), look
            self.retried["POST sent again"] += 1

"""Questions to one host about one guest, with an answer while somebody waits.

Owns: asking through the host's queue, and what it means when there is no answer.
May not: change a guest; only verbs that hosts carry out beside everything else are asked here.
Crash story: a question that is lost is asked again by whoever wanted to know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from common.bus.port import Bus, BusClosed, Unroutable
from common.bus.topology import host_queue
from common.errors import Bug, HostCommandFailed, Timeout, Unavailable, from_code
from common.messages.compute import HostCommand, HostReply
from common.runtime.ports import Clock


@dataclass(frozen=True)
class Question:
    """`asker` is for the host's log: api, consoles."""

    asker: str
    host: str
    server_uuid: str
    generation: int
    verb: str
    params: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None

    @property
    def unanswered(self) -> Unavailable:
        """What to raise when the host is known to be away."""
        return Unavailable(
            f"The host of instance {self.server_uuid} does not answer. Please try again later."
        )


async def ask(bus: Bus, clock: Clock, question: Question, *, timeout_s: float) -> dict[str, Any]:
    """The result of the verb. Raises `Unavailable` when the host does not answer, and what it says
    otherwise, e.g. `NotFound` when it has no such guest."""
    command = HostCommand(
        request_id=question.request_id,
        workflow_id=0,
        step=f"{question.asker}.{question.verb}",
        attempt=0,
        server_uuid=question.server_uuid,
        generation=question.generation,
        verb=question.verb,
        params=question.params,
        sent_at=clock.utcnow(),
    )
    try:
        reply = await bus.call(host_queue(question.host), command, timeout_s=timeout_s)
    except (Timeout, BusClosed, Unroutable) as error:
        raise question.unanswered from error
    if not isinstance(reply, HostReply):
        raise Bug(f"host {question.host} answered {question.verb!r} with {reply.TYPE}")
    if reply.error is None:
        return reply.result
    refused = from_code(reply.error.code, reply.error.message)
    raise HostCommandFailed(reply.error.message) if isinstance(refused, Bug) else refused

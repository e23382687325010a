"""Wake-ups for conductors. Losing one costs at most a sweep interval.

Crash story: the workflow row is the truth; these only say "look now".
"""

from __future__ import annotations

from typing import ClassVar

from common.messages.base import Message
from common.messages.scheduler import HostSelected


class RunWorkflow(Message):
    """To the conductor queue: this workflow row is waiting."""

    TYPE: ClassVar[str] = "workflow.run"
    v: int = 2
    workflow_id: int
    server_uuid: str
    proposal: HostSelected | None = None
    """Of a scheduler that was asked on the way: what the first step would ask for."""


class CancelWorkflow(Message):
    """Event on topic `workflow.cancel`: a delete overtakes what runs on this server."""

    TYPE: ClassVar[str] = "workflow.cancel"
    server_uuid: str


CANCEL_TOPIC = "workflow.cancel"

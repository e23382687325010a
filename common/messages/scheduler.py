"""The one question schedulers answer: where can this server go?

Conductors call; for a new server the api sends the question, and the answer goes on to a conductor.
Crash story: asking twice is safe; an answer is a proposal, and the second replaces the first.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from common.messages.base import Message


class SelectHost(Message):
    """Propose hosts, best first. Call on the scheduler queue."""

    TYPE: ClassVar[str] = "scheduler.select_host"
    v: int = 4
    server_uuid: str
    project_id: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    purpose: Literal["server", "migration"] = "server"
    flavor: dict[str, Any] = Field(default_factory=dict)
    image_id: str | None = None
    image_properties: dict[str, Any] = Field(default_factory=dict)
    availability_zone: str | None = None
    force_host: str | None = None
    """Skips the filters (zone:host by an administrator); capacity still counts."""
    requested_host: str | None = None
    """Only this host, filters apply."""
    exclude_hosts: list[str] = Field(default_factory=list)
    """Hosts that failed already, or the source of a move."""
    scheduler_hints: dict[str, Any] = Field(default_factory=dict)
    server_group: str | None = None
    workflow_id: int | None = None
    """Whose step asks."""
    fresh: bool = False
    """The answer before this one was refused by the database: answer from what is read now."""
    wakes: bool = False
    """The answer goes to the conductors, in the wake-up for `workflow_id`: the first step of a new
    server's build needs it, and so it is there with the wake-up."""


class HostSelected(Message):
    TYPE: ClassVar[str] = "scheduler.host_selected"
    host: str | None
    """None: no host; `reason` says why."""
    node: str | None = None
    """Of `host`, like its zone."""
    availability_zone: str | None = None
    alternates: list[str] = Field(default_factory=list)
    """The next best; nothing is reserved there."""
    reason: str | None = None
    """For the fault: "No valid host was found. 2 hosts: 1 removed by ComputeFilter (down), ..."."""
    eliminated: dict[str, int] = Field(default_factory=dict)
    """Hosts removed per filter."""

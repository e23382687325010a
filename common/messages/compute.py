"""What conductors and compute agents say to each other.

Owns: commands, replies, heartbeats and reports of hosts.
May not: grow a field without a default. Crash story: every command may arrive twice or late; the
agent answers a repeated `command_id` from memory and drops one of an older workflow of the server.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.messages.base import Message


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorBody(Part):
    """A `MusterError` on the wire; rebuilt by `common.errors.from_code`."""

    code: str
    message: str


class NetworkInterface(Part):
    port_id: str
    mac_address: str
    network_id: str
    fixed_ips: list[str] = Field(default_factory=list)


class GuestSpec(Part):
    """Everything a driver needs to make one guest."""

    uuid: str
    generation: int
    name: str
    hostname: str
    project_id: str
    user_id: str
    vcpus: int
    memory_mib: int
    root_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    flavor: dict[str, Any] = Field(default_factory=dict)
    image_id: str | None = None
    image_properties: dict[str, Any] = Field(default_factory=dict)
    interfaces: list[NetworkInterface] = Field(default_factory=list)
    metadata: dict[str, str] = Field(default_factory=dict)
    key_name: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    power_on: bool = True


class HostCommand(Message):
    """One verb for one guest. Call; the answer is `HostReply`."""

    TYPE: ClassVar[str] = "compute.command"
    workflow_id: int
    step: str
    attempt: int
    """Same workflow, step and attempt: the same command, sent again."""
    server_uuid: str
    generation: int
    verb: str
    """A method of the driver: spawn, destroy, power_on, power_off, reboot, ..."""
    spec: GuestSpec | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    sent_at: dt.datetime | None = None
    """When the conductor sent it (this time). A spawn that is not fresh is checked against the
    truth before it is carried out: the server may have been placed elsewhere since."""

    @property
    def command_id(self) -> str:
        return f"{self.workflow_id}:{self.step}:{self.attempt}"


class HostReply(Message):
    TYPE: ClassVar[str] = "compute.reply"
    command_id: str
    error: ErrorBody | None = None
    power_state: int | None = None
    result: dict[str, Any] = Field(default_factory=dict)


class Resources(Part):
    """Capacity and identity of a host, as its driver sees them."""

    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    reserved_vcpus: int = 0
    reserved_memory_mib: int = 0
    reserved_disk_gib: int = 0
    cpu_info: dict[str, Any] = Field(default_factory=dict)
    supported_instances: list[list[str]] = Field(default_factory=list)
    uptime: str | None = None
    running_guests: int = 0


class Heartbeat(Message):
    """Sent every report_interval to the lossy queue; counts only from the registered epoch."""

    TYPE: ClassVar[str] = "compute.heartbeat"
    host: str
    epoch: str
    uptime: str | None = None
    running_guests: int = 0


class Probe(Message):
    """From a conductor into the queue of heartbeats: whether they could come through. Ignored by
    whoever receives it; that the broker took it is the answer."""

    TYPE: ClassVar[str] = "compute.probe"


class GuestReport(Part):
    uuid: str
    generation: int
    power_state: int
    held: bool = False
    """Not executing until the truth about it has been told."""
    pending: bool = False
    """A question before a command is carried out: one that would start a guest and may be out of
    date, or one about a guest that is held."""
    workflow_id: int | None = None
    """With `pending`: whose command it is."""


class HostReport(Message):
    """All guests of a host. `hello` registers this life of the agent before it serves anything;
    `inventory` repeats the list. Call; the answer is `HostVerdicts`."""

    TYPE: ClassVar[str] = "compute.report"
    kind: Literal["hello", "inventory"]
    host: str
    host_id: str
    """Made once and kept in the host's state directory: two machines with one name differ here."""
    epoch: str
    """Made at each start of the agent."""
    resources: Resources
    guests: list[GuestReport] = Field(default_factory=list)


Verdict = Literal["keep", "hold", "destroy", "unknown"]
"""keep: it is the truth, let it run. hold: undecided (an evacuation is in progress), do not let it
execute, ask again. destroy: its generation is over. unknown: no such server was ever known; it is
reported and left alone."""


class HostVerdicts(Message):
    TYPE: ClassVar[str] = "compute.verdicts"
    accepted: bool
    reason: str | None = None
    """Why not accepted, e.g. another machine reports under this name."""
    verdicts: dict[str, Verdict] = Field(default_factory=dict)


class HostGoodbye(Message):
    """A graceful stop: the host is down from now on."""

    TYPE: ClassVar[str] = "compute.goodbye"
    host: str
    epoch: str


class GuestEvent(Message):
    """A guest changed its power state by itself."""

    TYPE: ClassVar[str] = "compute.guest_event"
    host: str
    epoch: str
    server_uuid: str
    generation: int
    power_state: int


class HostRecheck(Message):
    """Event on topic `host.<host>`: verdicts may have changed; report again now."""

    TYPE: ClassVar[str] = "compute.recheck"
    host: str

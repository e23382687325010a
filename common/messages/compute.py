"""What conductors and compute agents say to each other.

Owns: commands, replies, heartbeats and reports of hosts.
May not: grow a field without a default. Crash story: every command may arrive twice or late; the
agent answers a repeated `command_id` from memory, drops one of an older workflow of the server, and
asks for the truth before it carries out one that may be out of date.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.domain.guest_data.facts import GuestFacts
from common.messages.base import Message


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorBody(Part):
    """A `MusterError` on the wire; rebuilt by `common.errors.from_code`."""

    code: str
    message: str


class NetworkInterface(Part):
    """What a driver needs to make one network interface of a guest."""

    port_id: str
    mac_address: str
    network_id: str
    fixed_ips: list[str] = Field(default_factory=list)
    tag: str | None = None
    """By which the guest's software knows it, given by the user."""


class VolumeDevice(Part):
    """A volume as a disk of a guest."""

    volume_id: str
    attachment_id: str
    """The one made for this host."""
    device_name: str | None = None
    size_gib: int = 0
    boot_index: int | None = None
    """0: the guest boots from it, and has no disk of an image."""
    disk_bus: str | None = None
    device_type: str | None = None
    tag: str | None = None
    read_only: bool = False
    connection: dict[str, Any] = Field(default_factory=dict)
    """How the host reaches it, as the volume service says; may hold credentials of the storage."""


class LocalDisk(Part):
    """A disk on the host that was asked for by itself."""

    device_name: str | None = None
    source: Literal["image", "blank"]
    size: int | None = None
    """GiB; MiB when `guest_format` is swap. None: what the flavor gives."""
    guest_format: str | None = None
    """swap, or the file system."""
    boot_index: int | None = None
    disk_bus: str | None = None
    device_type: str | None = None
    tag: str | None = None


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
    volumes: list[VolumeDevice] = Field(default_factory=list)
    local_disks: list[LocalDisk] = Field(default_factory=list)
    """Where empty: a disk of the image unless a volume is the root, one of `ephemeral_gib` and one
    of `swap_mib`."""
    facts: GuestFacts | None = None
    """What a config drive says beside the above; only with one."""
    sealed_secrets: str | None = None
    """`GuestSecrets` as only the present life of the host's agent can read them."""

    def told(self) -> GuestFacts | None:
        """Everything that a config drive says."""
        return self.facts and replace(
            self.facts,
            metadata=self.metadata,
            key_name=self.key_name,
            public_key=self.public_key,
            user_data=self.user_data,
        )


class HostCommand(Message):
    """One verb for one guest. Call; the answer is `HostReply`."""

    v: int = 3
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
    """When the conductor sent it (this time). A command that changes a guest and is not fresh is
    checked against the truth before it is carried out: the server may be elsewhere by now."""

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
    """No longer sent: it was different in every report. `booted_at` says it once."""
    running_guests: int = 0
    booted_at: dt.datetime | None = None
    """When the host started."""


class Heartbeat(Message):
    """Sent every report_interval to the lossy queue; counts only from the registered epoch."""

    v: int = 2
    TYPE: ClassVar[str] = "compute.heartbeat"
    host: str
    epoch: str
    uptime: str | None = None
    """No longer sent; see `Resources.booted_at`."""
    running_guests: int = 0
    inventory: str | None = None
    """What the host would report now, as a hash: the `inventory` of its next report if nothing
    changes. Who knows it already asks for no report."""


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
    """A question before a command that may be out of date is carried out."""
    workflow_id: int | None = None
    """In a question: whose command makes the host ask."""


class HostReport(Message):
    """Guests of a host. `hello` registers this life of the agent before it serves anything, and
    says all of them; `inventory` repeats that; `question` asks for the verdicts on some and says
    nothing about the others. Call; the answer is `HostVerdicts`."""

    v: int = 2
    TYPE: ClassVar[str] = "compute.report"
    kind: Literal["hello", "inventory", "question"]
    host: str
    host_id: str
    """Made once and kept in the host's state directory: two machines with one name differ here."""
    epoch: str
    """Made at each start of the agent."""
    resources: Resources
    guests: list[GuestReport] = Field(default_factory=list)
    inventory: str | None = None
    """The hash of these guests and resources, without what merely passes (`booted_at`, `uptime`,
    `running_guests`); None in a question."""


Verdict = Literal["keep", "hold", "destroy", "unknown"]
"""keep: it is the truth, let it run. hold: undecided (a workflow is still at it), do not let it
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

    v: int = 2
    TYPE: ClassVar[str] = "compute.goodbye"
    host: str
    epoch: str
    guests_stopped: bool = True
    """Whether its guests stopped with it. Then the host is as good as fenced: what was a server's
    guest there may be replaced elsewhere. An agent that leaves its guests running says False."""


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


class GuestRelease(Message):
    """Event on topic `host.<host>`: this guest, which the host has made and holds, is the server's
    now; let it execute. Losing one costs nothing, a host asks again about what it holds."""

    TYPE: ClassVar[str] = "compute.release"
    host: str
    server_uuid: str
    generation: int
    sent_at: dt.datetime
    """An old one releases nothing: the guest may have been given up since."""

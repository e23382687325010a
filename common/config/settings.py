"""Every setting of every service, with unit, limit and reason.

Owns: the only reading of the environment and of the configuration file.
Sources, later ones win: defaults, the TOML file named by MUSTER_CONFIG, environment variables
`MUSTER_<SECTION>__<FIELD>`. Unknown fields in the file are refused by name.
May not: be changed after load. Crash story: none.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

import structlog
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from common.config.api import ApiSettings
from common.config.consoles import ConsolesSettings, HostConsolesSettings
from common.config.disks import DiskSettings
from common.config.exposure import ExposureSettings
from common.config.guest_data import MetadataSettings
from common.config.identity import HostAccountSettings, IdentitySettings
from common.config.network import NetworkSettings
from common.config.scheduler import SchedulerSettings
from common.config.sealing import SealingSettings
from common.config.section import Section

log = structlog.get_logger(__name__)

DOWN_TIME_FACTOR = 2.5
"""A host must be allowed to miss a report: service_down_time is at least this many intervals."""


class DatabaseSettings(Section):
    url: str = "postgresql://muster@127.0.0.1:5432/muster"
    """libpq URL; `?host=/dir` for a unix socket."""
    password: SecretStr | None = None
    """Kept out of `url` so that the URL may be logged."""
    pool_size: int = Field(default=10, ge=2, le=200)
    command_timeout_s: float = Field(default=10.0, gt=0)
    idle_transaction_s: float = Field(default=2.0, ge=0.01)
    """A session that stands still inside a transaction for this long is ended by the server: its
    process is frozen, and others wait for the rows it holds. Well below conductor.lease_s, whose
    renewals may be among them."""
    lock_timeout_s: float = Field(default=4.0, ge=0.01)
    """A query that has waited for another's row for this long fails, and is repeated. More than
    idle_transaction_s, so that a holder that stands still goes first."""
    archive_after_days: float = Field(default=30.0, ge=0)
    """What `muster db archive` takes when it is not told: servers deleted longer ago than this. By
    itself nothing is archived."""


class BusSettings(Section):
    url: str = "amqp://guest@127.0.0.1:5672/"
    password: SecretStr | None = SecretStr("guest")
    prefetch: int = Field(default=200, ge=1)
    """Deliveries one consumer may hold unacknowledged."""
    call_timeout_s: float = Field(default=10.0, gt=0)


class ServiceGroupSettings(Section):
    report_interval_s: float = Field(default=10.0, gt=0)
    """Seconds between two heartbeats of a host (Nova's report_interval)."""
    service_down_time_s: float = Field(default=60.0, gt=0)
    """Seconds without a heartbeat after which a host counts as down (Nova's service_down_time)."""
    beat_interval_s: float = Field(default=0.5, gt=0)
    """Seconds between two batched writes of heartbeats by a conductor."""

    @model_validator(mode="before")
    @classmethod
    def _raise_down_time(cls, values: object) -> object:
        if isinstance(values, dict):
            interval = float(values.get("report_interval_s", 10.0))
            down_time = float(values.get("service_down_time_s", 60.0))
            if down_time <= interval:
                raised = DOWN_TIME_FACTOR * interval
                log.warning(
                    "service_down_time_raised",
                    service_down_time_s=down_time,
                    report_interval_s=interval,
                    raised_to_s=raised,
                )
                return {**values, "service_down_time_s": raised}
        return values


class QuotaSettings(Section):
    """Defaults per project; -1 is unlimited."""

    instances: int = 10
    cores: int = 20
    ram_mib: int = 51200
    metadata_items: int = 128
    key_pairs: int = 100
    server_groups: int = 10
    server_group_members: int = 10
    injected_files: int = 5
    injected_file_content_bytes: int = 10240
    injected_file_path_bytes: int = 255


class NeighbourSettings(Section):
    """How image, network and volume services are called."""

    timeout_s: float = Field(default=10.0, gt=0)
    attempts: int = Field(default=4, ge=1)
    image_endpoint: str | None = None
    """Overrides the catalog."""
    network_endpoint: str | None = None
    volume_endpoint: str | None = None


class ConductorSettings(Section):
    host_name: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    lease_s: float = Field(default=6.0, gt=0)
    """A conductor that does not renew for this long has lost its workflows to another."""
    sweep_interval_s: float = Field(default=1.0, gt=0)
    max_workflows: int = Field(default=400, ge=1)
    """Workflows one conductor runs at the same time; the rest wait in the queue."""
    max_attempts: int = Field(default=3, ge=1)
    """Hosts tried for one build (Nova's scheduler.max_attempts)."""
    workflow_deadline_s: float = Field(default=600.0, gt=0)
    """A workflow that has not ended after this long fails and unwinds, whatever it waits for."""
    host_command_resend_s: float = Field(default=3.0, gt=0)
    """A command without an answer is sent again after this long (hosts drop doubles)."""

    soft_reboot_timeout_s: float = Field(default=60.0, gt=0)
    """A guest that has not restarted by itself after this long is rebooted hard."""
    allow_resize_to_same_host: bool = False
    resize_confirm_window_s: float = Field(default=0.0, ge=0)
    """Resizes are confirmed by themselves after this long; 0: never."""
    reclaim_instance_interval_s: float = Field(default=0.0, ge=0)
    """Deleted servers can be restored for this long; 0: they are deleted at once."""
    shelved_offload_time_s: float = Field(default=0.0, ge=-1)
    """Shelved servers leave their host after this long; 0: at once, -1: never."""
    reconcile_interval_s: float = Field(default=5.0, gt=0)
    """Seconds between two turns of the periodic tasks."""

    @property
    def reserve_s(self) -> float:
        """For this long a new workflow is left to the conductor that was woken for it. Conductors
        renew leases twice as often, so a run that goes on has its lease before that."""
        return self.lease_s / 2


class SimulatedDriverSettings(Section):
    """Capacity and latency of simulated hosts."""

    vcpus: int = Field(default=16, ge=1)
    memory_mib: int = Field(default=65_536, ge=1)
    disk_gib: int = Field(default=1000, ge=0)
    reserved_memory_mib: int = Field(default=512, ge=0)
    spawn_delay_s: float = Field(default=0.2, ge=0)
    """Mean seconds a guest takes to start; other verbs scale from it."""
    delay_jitter: float = Field(default=0.3, ge=0, le=1)
    """Each delay varies by plus or minus this share."""
    seed: int | None = None


class ComputeSettings(Section):
    host_name: str = Field(default_factory=socket.gethostname)
    hosts: list[str] = Field(default_factory=list)
    """Several hosts in one agent process; empty means just `host_name`."""
    driver: Literal["simulated"] = "simulated"
    state_dir: Path = Path(".muster/compute")
    fence_gap_s: float = Field(default=2.0, gt=0)
    """An agent that was stopped for longer than this holds its guests until it has asked for the
    truth about them, and asks before it believes what was sent longer ago."""
    fault_rules_enabled: bool = False
    """Whether anybody who reaches the bus may make verbs of this host fail, for tests."""
    consoles: HostConsolesSettings = HostConsolesSettings()
    identity: HostAccountSettings = HostAccountSettings()
    simulated: SimulatedDriverSettings = SimulatedDriverSettings()


StandinName = Literal["identity", "image", "network", "volume"]


class StandinSettings(Section):
    serve: tuple[StandinName, ...] = ("identity", "image", "network", "volume")
    """Which services are stood in for. Without `identity` tokens are checked with the service at
    identity.auth_url, whose catalog must name the stand-ins that are left."""
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=5000, ge=0, le=65535)
    state_dir: Path = Path(".muster/standins")
    admin_password: SecretStr = SecretStr("admin")
    demo_password: SecretStr = SecretStr("demo")
    service_password: SecretStr = SecretStr("muster")
    host_password: SecretStr = SecretStr("muster")
    """Of the user muster-host, as which hosts log in: it can give images their data, nothing
    else."""
    compute_public_url: str = "http://127.0.0.1:8774/v2.1"
    compute_internal_url: str | None = None
    """Default: the public one."""
    public_url: str | None = None
    """Base that clients use, e.g. http://127.0.0.1:5000; default: the listen address."""
    internal_url: str | None = None
    """Base that Muster's services use; default: public_url."""
    token_ttl_s: float = Field(default=8 * 3600, gt=0)
    image_max_bytes: int = Field(default=1 << 40, ge=1)
    """Largest image that can be uploaded; a larger one is refused with 413."""
    port_up_delay_s: float = Field(default=0.0, ge=0)
    """A port carries traffic this long after it was bound to a host; 0: at once."""
    region: str = "RegionOne"


class HealthSettings(Section):
    """/healthz, /readyz and /metrics of a process: never on a port that users reach."""

    listen_host: str = "127.0.0.1"
    listen_port: int | None = None
    """None: no listener."""


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """The whole tree. `load()` reads it once at start."""

    model_config = SettingsConfigDict(
        env_prefix="MUSTER_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    database: DatabaseSettings = DatabaseSettings()
    bus: BusSettings = BusSettings()
    servicegroup: ServiceGroupSettings = ServiceGroupSettings()
    api: ApiSettings = ApiSettings()
    quota: QuotaSettings = QuotaSettings()
    identity: IdentitySettings = IdentitySettings()
    neighbours: NeighbourSettings = NeighbourSettings()
    network: NetworkSettings = NetworkSettings()
    conductor: ConductorSettings = ConductorSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    compute: ComputeSettings = ComputeSettings()
    consoles: ConsolesSettings = ConsolesSettings()
    disks: DiskSettings = DiskSettings()
    metadata: MetadataSettings = MetadataSettings()
    standins: StandinSettings = StandinSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()
    sealing: SealingSettings = SealingSettings()
    exposure: ExposureSettings = ExposureSettings()

    @property
    def sealing_key(self) -> str:
        """With which secrets pass through the database."""
        return (self.sealing.key or self.identity.password).get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls, os.environ.get("MUSTER_CONFIG"))
        return init_settings, env_settings, file


def load() -> Settings:
    """Read file and environment; raises pydantic's ValidationError that names each bad field."""
    return Settings()

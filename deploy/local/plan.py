"""What a local cluster consists of: one plan for both ways of running it.

Owns: turning the options of `muster up` plus the user's own settings into the settings of each
service, the passwords, and the clients' clouds.yaml.
May not: start anything.
Crash story: files are replaced in one step; passwords, once made, are kept.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.local.home import Home, LocalClusterError

if TYPE_CHECKING:
    from common.config.settings import Settings

LOCAL = "127.0.0.1"
DOCUMENTED_PASSWORDS = {"admin": "admin", "demo": "demo", "service": "muster", "host": "muster"}

_NOT_FOR_HOSTS = frozenset({"database", "standins"})


@dataclass(frozen=True)
class Options:
    """The options of `muster up`; None means: as the settings say."""

    hosts: int = 3
    conductors: int = 1
    schedulers: int = 1
    processes: bool = False
    listen: str | None = None
    port: int | None = None
    identity_port: int | None = None
    console_port: int | None = None
    """None: as the settings say, and a free one beside an API on a free one."""
    metadata_port: int | None = None
    """None with `port` 0: a free one too."""
    broker_url: str | None = None
    database_url: str | None = None
    spawn_delay_s: float | None = None
    agents: int | None = None
    """Processes that the hosts share; None: each has one of its own."""
    cuttable: bool = False
    """A relay stands between each service and broker and database, so that it can be cut off."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Options:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Member:
    """One service instance: `name` is what people type, `kind` the package below services/."""

    name: str
    kind: str
    settings: dict[str, Any]
    """What differs from the cluster's common settings."""


@dataclass(frozen=True)
class Plan:
    """Members in the order in which they depend on each other."""

    home: Home
    common: dict[str, Any]
    members: list[Member]
    api_url: str
    identity_url: str
    console_url: str
    metadata_url: str
    """For this machine only: whoever reaches it can ask as any guest."""
    standins_url: str
    passwords: dict[str, str]
    passwords_generated: bool

    @property
    def hosts(self) -> list[str]:
        return [
            host
            for member in self.members
            if member.kind == "compute"
            for host in member.settings["compute"].get("hosts", [member.name])
        ]


def reachable_address(host: str) -> str:
    """The address clients use for a listener on `host`, in the form a URL wants it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing: asks which address would be used
                host = probe.getsockname()[0]
            except OSError:
                host = "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _passwords(home: Home, settings: Settings, *, loopback: bool) -> tuple[dict[str, str], bool]:
    """Documented ones on loopback; generated and kept ones when other machines can connect."""
    chosen = {
        "admin": settings.standins.admin_password.get_secret_value(),
        "demo": settings.standins.demo_password.get_secret_value(),
        "service": settings.standins.service_password.get_secret_value(),
        "host": settings.standins.host_password.get_secret_value(),
    }
    if loopback or chosen != DOCUMENTED_PASSWORDS:
        return chosen, False
    file = home.path / "passwords.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    if chosen.keys() - kept.keys():
        kept = {name: secrets.token_urlsafe(12) for name in chosen} | kept
        write_private(file, json.dumps(kept))
    return kept, True


def check_port_free(host: str, port: int, option: str) -> None:
    """Raises with the name of who holds it; 0 is always free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = _holder_of(port)
            raise LocalClusterError(
                f"cannot listen on {host}:{port}: {error.strerror}"
                f"{f' by {holder}' if holder else ''}; free it or choose another with {option}"
            ) from error


def _holder_of(port: int) -> str | None:
    """Name and number of the process that listens on `port`, as far as we may see (Linux)."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == "0A" and int(words[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):  # noqa: PTH115
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_plan(options: Options, home: Home) -> Plan:
    """The plan; raises `LocalClusterError` when a port is taken.

    The user's own MUSTER_* settings hold wherever no option says otherwise.
    """
    from common.config.exposure import is_loopback
    from common.config.settings import load

    base = load()
    listen = options.listen or base.api.listen_host
    port = options.port if options.port is not None else base.api.listen_port
    identity_port = (
        options.identity_port if options.identity_port is not None else base.standins.listen_port
    )
    console_port = options.console_port
    if console_port is None:
        console_port = base.consoles.listen_port if port else 0
    metadata_port = options.metadata_port
    if metadata_port is None:
        metadata_port = base.metadata.listen_port if port else 0
    port = port or _free_port()
    metadata_port = metadata_port or _free_port()
    identity_port = identity_port or _free_port()
    console_port = console_port or _free_port()
    check_port_free(listen, port, "--port")
    check_port_free(listen, identity_port, "--identity-port")
    check_port_free(listen, console_port, "--console-port")
    check_port_free(LOCAL, metadata_port, "--metadata-port")
    passwords, generated = _passwords(home, base, loopback=is_loopback(listen))
    address = reachable_address(listen)
    local = LOCAL if listen in {"0.0.0.0", ""} else reachable_address(listen)  # noqa: S104
    api_url = f"http://{address}:{port}"
    standins_url = f"http://{address}:{identity_port}"
    identity_url = f"{standins_url}/identity"
    common: dict[str, Any] = {
        "api": {"listen_host": listen, "listen_port": port},
        "consoles": {
            "listen_host": listen,
            "listen_port": console_port,
            **_console_urls(base, f"{address}:{console_port}"),
        },
        "metadata": {
            "listen_host": LOCAL,
            "listen_port": metadata_port,
            "trust_forwarded_for": True,  # so that people can ask as any of their guests
        },
        "standins": {
            "listen_host": listen,
            "listen_port": identity_port,
            "state_dir": str(home.path / "standins"),
            "admin_password": passwords["admin"],
            "demo_password": passwords["demo"],
            "service_password": passwords["service"],
            "host_password": passwords["host"],
            "compute_public_url": f"{api_url}/v2.1",
            "compute_internal_url": f"http://{local}:{port}/v2.1",
            "public_url": standins_url,
            "internal_url": f"http://{local}:{identity_port}",
        },
    }
    if "identity" in base.standins.serve:
        common["identity"] = {
            "auth_url": f"http://{local}:{identity_port}/identity",
            "password": passwords["service"],
            "www_authenticate_url": identity_url,
        }
    else:
        # A real identity service: who Muster is there is the user's to say.
        identity_url = base.identity.www_authenticate_url or base.identity.auth_url
    # Only who may use the control socket or the broker's password can set rules.
    common["compute"] = {"fault_rules_enabled": True}
    if "identity" in base.standins.serve:
        common["compute"]["identity"] = {"password": passwords["host"]}
    if options.spawn_delay_s is not None:
        common["compute"]["simulated"] = {"spawn_delay_s": options.spawn_delay_s}
    return Plan(
        home=home,
        common=common,
        members=_members(options, home),
        api_url=api_url,
        identity_url=identity_url,
        console_url=f"http://{address}:{console_port}",
        metadata_url=f"http://{LOCAL}:{metadata_port}",
        standins_url=standins_url,
        passwords=passwords,
        passwords_generated=generated,
    )


def _console_urls(base: Settings, address: str) -> dict[str, str]:
    """Where users find the proxy, unless they have said so themselves."""
    urls = {
        "novncproxy_base_url": f"http://{address}/vnc_auto.html",
        "html5proxy_base_url": f"http://{address}/spice_auto.html",
        "serial_base_url": f"ws://{address}/",
    }
    return {name: url for name, url in urls.items() if name not in base.consoles.model_fields_set}


def _members(options: Options, home: Home) -> list[Member]:
    members = [Member(name, name, {}) for name in ("standins", "api", "consoles", "metadata")]
    for kind, count in (("conductor", options.conductors), ("scheduler", options.schedulers)):
        for number in range(1, count + 1):
            name = f"{kind}-{number}"
            members.append(Member(name, kind, {kind: {"host_name": name}}))
    hosts = [f"compute-{number}" for number in range(1, options.hosts + 1)]
    if options.agents is None:
        agents: dict[str, dict[str, Any]] = {host: {"host_name": host} for host in hosts}
    else:
        agents = {
            f"compute-agent-{number}": {"hosts": hosts[number - 1 :: options.agents]}
            for number in range(1, min(options.agents, options.hosts) + 1)
        }
    for name, own in agents.items():
        state = str(home.path / "compute" / name)
        members.append(Member(name, "compute", {"compute": {**own, "state_dir": state}}))
    return members


def common_for(member: Member, common: dict[str, Any]) -> dict[str, Any]:
    """What a member's own settings are laid over: a host is not told what it has no use for."""
    if member.kind != "compute":
        return common
    told = {name: section for name, section in common.items() if name not in _NOT_FOR_HOSTS}
    if "identity" in told:
        told["identity"] = {k: v for k, v in told["identity"].items() if k != "password"}
    return told


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Nested dictionaries on top of each other, later ones win."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            both = isinstance(below, dict) and isinstance(value, dict)
            result[key] = merged(below or {}, value) if both else value
    return result


def write_clouds(plan: Plan) -> None:
    """clouds.yaml (which is JSON here, a subset) with the clouds `admin` and `demo`."""
    clouds = {
        user: {
            "auth": {
                "auth_url": plan.identity_url,
                "username": user,
                "password": plan.passwords[user],
                "project_name": user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": "RegionOne",
            "identity_api_version": "3",
        }
        for user in ("admin", "demo")
    }
    write_private(plan.home.clouds_file, json.dumps({"clouds": clouds}, indent=2) + "\n")


def describe(plan: Plan, options: Options, pid: int) -> dict[str, Any]:
    """The content of cluster.json: what the other commands need to find this cluster."""
    return {
        "mode": "processes" if options.processes else "one process",
        "pid": pid,
        "api_url": plan.api_url,
        "identity_url": plan.identity_url,
        "console_url": plan.console_url,
        "metadata_url": plan.metadata_url,
        "hosts": plan.hosts,
        "passwords_generated": plan.passwords_generated,
    }

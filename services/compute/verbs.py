"""The verbs a conductor may ask of a host: the whole list, and how each reaches who does it.

Owns: which verbs exist, their arguments, which of them wait for each other.
May not: order, repeat or answer commands; `commands.py` does.
Crash story: none; a table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import TypeAdapter

from common.domain.states import PowerState
from common.errors import InvalidInput, Unsupported
from common.messages.compute import HostCommand, NetworkInterface, VolumeDevice
from services.compute.consoles import Consoles
from services.compute.drivers.base import Driver
from services.compute.provisioning import Provisioning
from services.compute.reports import Reports
from services.compute.secrets import Secrets
from services.compute.uploads import Uploads


@dataclass(frozen=True)
class Actors:
    """Who carries out verbs: each is a method, of the verb's name, of one of these."""

    driver: Driver
    uploads: Uploads
    reports: Reports
    secrets: Secrets
    provisioning: Provisioning
    consoles: Consoles


class Target(Enum):
    """What a verb is about, which is how its method is called."""

    GUEST = "guest"  # (uuid, generation, **params)
    SPEC = "spec"  # (spec, **params)
    SERVER = "server"  # (uuid, **params): asks or nudges, whatever the generation
    HOST = "host"  # (**params): asks about the host itself
    NOTHING = "nothing"  # no method: interrupting is all it does


@dataclass(frozen=True)
class Verb:
    """One verb. `needs` is a field of `Capabilities`, `actor` one of `Actors`."""

    target: Target = Target.GUEST
    actor: str = "driver"
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    needs: str | None = None
    aside: bool = False
    """Carried out at once beside whatever runs on the server, neither ordered nor remembered."""
    interrupts: bool = False
    """Ends what runs on the server instead of waiting for it."""
    makes_guest: bool = False
    """Makes a guest, which is held then unless the command says otherwise."""
    revives: bool = False
    """Lets a guest go on that a move has left behind; out of date it would be a second one."""
    result: Callable[[Any], dict[str, Any]] = field(default=lambda _: {})

    @property
    def changes_guest(self) -> bool:
        """Out of date it would do harm; what may be out of date is asked about."""
        return not self.aside and self.target is not Target.NOTHING


_SPEC, _SERVER = Target.SPEC, Target.SERVER


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


# fmt: off
VERBS: Mapping[str, Verb] = {
    "spawn": Verb(_SPEC, actor="provisioning", optional=_names("held"), makes_guest=True),
    "destroy": Verb(interrupts=True),
    "cancel": Verb(Target.NOTHING, interrupts=True),
    "power_on": Verb(revives=True),
    "power_off": Verb(optional=_names("timeout_s")),
    "reboot": Verb(optional=_names("kind", "volumes"), revives=True),
    "pause": Verb(needs="pause"),
    "unpause": Verb(needs="pause"),
    "suspend": Verb(needs="suspend"),
    "resume": Verb(needs="suspend"),
    "rescue": Verb(actor="provisioning", optional=_names("image_id", "sealed_secrets"),
                   needs="rescue"),
    "unrescue": Verb(needs="rescue"),
    "sealing_key": Verb(_SERVER, actor="secrets", aside=True, result=lambda key: {"key": key}),
    "set_admin_password": Verb(actor="secrets", required=_names("sealed_password"),
                               needs="admin_password"),
    "inject_nmi": Verb(needs="crash_dump"),
    "upload_snapshot": Verb(actor="uploads", required=_names("image_id"), needs="snapshot"),
    "snapshot_format": Verb(Target.HOST, actor="uploads", needs="snapshot", aside=True,
                            result=lambda disk_format: {"disk_format": disk_format}),
    "console_output": Verb(_SERVER, optional=_names("length"), aside=True,
                           result=lambda text: {"output": text}),
    "offers_console": Verb(actor="consoles", required=_names("protocol"), aside=True),
    "connect_console": Verb(actor="consoles", required=_names("protocol"),
                            optional=_names("secret", "ttl_s"), aside=True, result=dict),
    "guest_info": Verb(_SERVER, aside=True, result=lambda guest: {
        "generation": guest.generation, "phase": guest.phase.value,
        "power_state": int(guest.power_state), "held": guest.held}),
    "fence": Verb(_SERVER, actor="reports", aside=True),
    "volume_connector": Verb(Target.HOST, needs="volumes", aside=True,
                             result=lambda connector: {"connector": connector}),
    "attach_volume": Verb(required=_names("volume"), needs="volumes"),
    "detach_volume": Verb(required=_names("volume_id"), needs="volumes"),
    "swap_volume": Verb(required=_names("old_volume_id", "volume"), needs="volumes"),
    "extend_volume": Verb(required=_names("volume_id", "size_gib"), needs="volumes"),
    "cache_images": Verb(Target.HOST, required=_names("image_ids"), needs="image_cache", aside=True,
                         result=lambda images: {"images": images}),
    "snapshot_volume": Verb(required=_names("volume_id", "snapshot_id", "new_file"),
                            needs="volume_snapshots"),
    "delete_volume_snapshot": Verb(required=_names("volume_id", "snapshot_id"),
                                   optional=_names("file_to_merge", "merge_target_file"),
                                   needs="volume_snapshots"),
    "prepare_destination": Verb(_SPEC, needs="migrate"),
    "migrate_out": Verb(needs="migrate"),
    "finish_migration": Verb(_SPEC, actor="provisioning", optional=_names("power_state", "held"),
                             needs="migrate", makes_guest=True),
    "revert_migration": Verb(required=_names("new_generation"),
                             optional=_names("power_on", "held", "volumes"), needs="migrate",
                             makes_guest=True),
    "live_migrate": Verb(needs="live_migrate"),
    "live_migration_progress": Verb(_SERVER, needs="live_migrate", aside=True,
                                    result=dataclasses.asdict),
    "live_migration_abort": Verb(_SERVER, needs="live_migrate", aside=True),
    "live_migration_force_complete": Verb(_SERVER, needs="live_migrate", aside=True),
    "attach_interface": Verb(required=_names("interface"), needs="interfaces"),
    "detach_interface": Verb(required=_names("port_id"), needs="interfaces"),
}
# fmt: on


def find(name: str) -> Verb:
    """Raises `Unsupported` for what is no verb."""
    try:
        return VERBS[name]
    except KeyError:
        raise Unsupported(f"this host knows no verb {name!r}") from None


async def carry_out(actors: Actors, command: HostCommand) -> dict[str, Any]:
    """Do it; the verb's result. Raises `InvalidInput` for wrong arguments, `Unsupported` for what
    this driver cannot do, and what the actor raises."""
    verb = find(command.verb)
    if verb.needs is not None and not getattr(actors.driver.capabilities, verb.needs):
        raise Unsupported(f"the driver of this host cannot {command.verb}")
    params = _params(verb, command)
    match verb.target:
        case Target.NOTHING:
            return {}
        case Target.HOST:
            subject: tuple[Any, ...] = ()
        case Target.SPEC:
            subject = (_spec(command),)
        case Target.SERVER:
            subject = (command.server_uuid,)
        case Target.GUEST:
            subject = (command.server_uuid, command.generation)
    method = getattr(getattr(actors, verb.actor), command.verb)
    return verb.result(await method(*subject, **params))


def _spec(command: HostCommand) -> Any:
    spec = command.spec
    if spec is None:
        raise InvalidInput(f"{command.verb}: spec is missing")
    if (spec.uuid, spec.generation) != (command.server_uuid, command.generation):
        raise InvalidInput(
            f"{command.verb}: spec is of generation {spec.generation} of {spec.uuid}, the command "
            f"of generation {command.generation} of {command.server_uuid}"
        )
    return spec


def _params(verb: Verb, command: HostCommand) -> dict[str, Any]:
    params = dict(command.params)
    for name in sorted(verb.required - params.keys()):
        raise InvalidInput(f"{command.verb}: params.{name} is missing")
    for name in sorted(params.keys() - verb.required - verb.optional):
        raise InvalidInput(f"{command.verb}: params.{name} is not known")
    if not isinstance(params.get("held", True), bool):
        raise InvalidInput(f"{command.verb}: params.held is neither true nor false")
    for name in params.keys() & _MADE_OF.keys():
        try:
            params[name] = _MADE_OF[name](params[name])
        except ValueError as error:
            raise InvalidInput(f"{command.verb}: params.{name}: {error}") from None
    return params


_MADE_OF: Mapping[str, Callable[[Any], Any]] = {
    "power_state": PowerState,
    "interface": NetworkInterface.model_validate,
    "volume": VolumeDevice.model_validate,
    "volumes": TypeAdapter(list[VolumeDevice]).validate_python,
}
"""Parameters that are more than what JSON has; each raises ValueError for what is none."""

"""What a step can see and do.

Owns: the run of one step: the server as last committed, the changes to commit with the step,
host commands that wait for their answer.
May not: write the server directly. Crash story: everything here is rebuilt from the workflow row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from common.bus.port import Bus, BusClosed, Unroutable
from common.bus.topology import SCHEDULER, host_queue
from common.config.settings import Settings
from common.db.pool import Pool
from common.db.stores import leftovers
from common.db.stores import services as services_store
from common.db.stores.claims import Release
from common.db.stores.commit import Changes, Event
from common.db.stores.workflows import Workflow
from common.domain.block_devices import BlockDevice
from common.domain.server import Server
from common.domain.states import VmState
from common.errors import Bug, HostCommandFailed, MusterError, Timeout, Unavailable, from_code
from common.messages.base import Message
from common.messages.compute import GuestSpec, HostCommand, HostReply
from common.messages.scheduler import HostSelected
from common.neighbours.image import ImageClient
from common.neighbours.network import NetworkClient
from common.neighbours.vendor_data import VendorData
from common.neighbours.volume import VolumeClient
from common.runtime.ports import Clock, Ids, Random
from services.conductor.engine.lease import Lease
from services.conductor.engine.sealing_keys import SealingKeys
from services.conductor.port_news import PortNews

log = structlog.get_logger(__name__)


RESUME = "resume_step"
"""Key of a workflow's state: the step from which an unwinding workflow goes forward again."""

_RESEND_MOST_S = 5.0
"""A host that has gone down meanwhile is noticed within this."""

_LET_EXECUTE = frozenset(
    {"spawn", "power_on", "reboot", "rescue", "migrate_out", "live_migrate", "revert_migration"}
)
"""Verbs that may bring a guest to life, or begin what does. A server in build has no other."""


class HostDown(HostCommandFailed):
    """The host is down; what it was told may or may not have been done.

    `fenced`: nothing executes there, by its own word or the operator's. Not fenced it is merely
    silent: its guests may be executing, and what waits in its queue may yet be done.
    """

    code = "host_down"

    def __init__(self, message: str = "", *, fenced: bool = False) -> None:
        super().__init__(message)
        self.fenced = fenced


class Overtaken(MusterError):
    """A delete has overtaken this workflow."""

    code = "overtaken"


@dataclass(frozen=True)
class Deps:
    """What every step may use."""

    settings: Settings
    pool: Pool
    bus: Bus
    clock: Clock
    ids: Ids
    random: Random
    network: NetworkClient
    image: ImageClient
    volume: VolumeClient
    port_news: PortNews
    vendor_data: VendorData
    sealing_keys: SealingKeys = field(default_factory=SealingKeys)


@dataclass
class Context:
    """One attempt at one step."""

    deps: Deps
    workflow: Workflow
    server: Server
    lease: Lease
    step_name: str
    deadline: float
    """Monotonic time at which the step has failed."""
    resumed: bool = False
    """The step may have been done before, wholly or in part."""
    proposal: HostSelected | None = None
    """What a scheduler has said on the way of the wake-up, for the first step only."""
    claim_refused: bool = False
    """The hosts that the step wanted to claim have been filled by others."""
    error: MusterError | None = None
    """Why the workflow unwinds, or what a step that is passed over has failed with."""
    changes: Changes = field(default_factory=Changes)

    @property
    def state(self) -> dict[str, Any]:
        """Input and outputs of earlier steps; what is put here is committed with the step."""
        return self.workflow.state

    @property
    def failed_step(self) -> str | None:
        """The step because of which the workflow unwinds."""
        return (self.workflow.error or {}).get("step")

    @property
    def goes_on(self) -> bool:
        """It unwinds to go forward again from an earlier step, unless a delete comes."""
        return RESUME in self.state

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.error or MusterError())

    def change_server(self, **columns: Any) -> None:
        """Columns of the server to write with this step."""
        self.changes.server.update(columns)

    def change_device(self, device: BlockDevice, **fields: Any) -> BlockDevice:
        """A disk of the server as it is with this step."""
        now = replace(self.changes.devices.get(device.uuid) or device, **fields)
        self.changes.devices[device.uuid] = now
        return now

    def remove_device(self, device: BlockDevice) -> None:
        """With this step the server has this disk no more."""
        self.changes.devices[device.uuid] = None

    def release_claims(self, *, purpose: Any = None, keep_host: str | None = None) -> None:
        """Give back, with this step, the server's claims that match; None matches all."""
        self.changes.release = Release(purpose, keep_host)

    def event_start(self, name: str, host: str | None = None) -> None:
        """An instance-action event that a later step will finish."""
        self.changes.insert_events.append(Event(name, host))

    def event_finish(self, name: str, error: Exception | None = None) -> None:
        """Finish an event that an earlier step started."""
        result, details = ("Error", str(error)) if error else ("Success", None)
        self.changes.finish_events.append(Event(name, result=result, details=details))
        self.changes.action_failed = self.changes.action_failed or error is not None

    def event(
        self,
        name: str,
        host: str | None,
        started: float | None = None,
        error: Exception | None = None,
    ) -> None:
        """An event that started (at monotonic `started`, or now) and finished within one step."""
        result, details = ("Error", str(error)) if error else ("Success", None)
        ago_s = 0.0 if started is None else max(0.0, self.deps.clock.monotonic() - started)
        self.changes.insert_events.append(Event(name, host, result, details, ago_s))
        self.changes.action_failed = self.changes.action_failed or error is not None

    def recheck(self, host: str) -> None:
        """After this step's commit, have the host ask again about its guests."""
        self.changes.recheck_hosts.append(host)

    def let_execute(self, host: str, generation: int) -> None:
        """The guest that the host made and holds is the server's with this step's commit: release
        it then. A release that is lost is given by the verdict when the host asks."""
        self.changes.released_guests.append((host, generation))

    def fault(self, error: Exception, message: str | None = None) -> dict[str, Any]:
        """The server's `fault` for `error`. Unexpected errors show only their class to users."""
        expected = isinstance(error, MusterError)
        return {
            "code": 500,
            "message": message or (str(error) if expected else type(error).__name__),
            "details": f"{type(error).__name__}: {error}",
            "created": self.deps.clock.utcnow().isoformat(),
        }

    async def call_scheduler(self, message: Message) -> Message:
        try:
            return await self.deps.bus.call(
                SCHEDULER, message, timeout_s=self.deps.settings.bus.call_timeout_s
            )
        except (BusClosed, Unroutable) as error:
            raise Unavailable("no scheduler answers", reason=str(error)) from error

    async def command(
        self,
        verb: str,
        *,
        host: str,
        generation: int,
        spec: GuestSpec | None = None,
        **params: Any,
    ) -> HostReply:
        """Tell `host` to do `verb` and wait until it has answered.

        The command is sent again (same id) when no answer comes; the host drops doubles. Raises
        what the host reports, `HostDown` when the host is down, `Timeout` at the step's deadline.
        """
        deps = self.deps
        if self.server.vm_state != VmState.BUILDING and verb in _LET_EXECUTE:
            await self._refuse_a_second_guest(host)
        resend_s = deps.settings.conductor.host_command_resend_s
        while True:
            left_s = self.deadline - deps.clock.monotonic()
            if left_s <= 0:
                raise Timeout(f"host {host} did not answer {verb!r} in time")
            self.lease.check()
            message = HostCommand(
                request_id=self.workflow.request_id,
                workflow_id=self.workflow.id,
                step=f"{self.step_name}.{verb}",
                attempt=self.workflow.attempt,
                server_uuid=str(self.server.uuid),
                generation=generation,
                verb=verb,
                spec=spec,
                params=params,
                sent_at=deps.clock.utcnow(),
            )
            try:
                reply = await deps.bus.call(
                    host_queue(host), message, timeout_s=min(resend_s, left_s)
                )
            except Timeout:
                resend_s = min(resend_s * 1.5, _RESEND_MOST_S)
            except (BusClosed, Unroutable) as error:
                log.info("host_command_not_sent", host=host, verb=verb, error=repr(error))
                await deps.clock.sleep(deps.random.uniform(0.2, 0.6))
            else:
                return self._answer(host, verb, reply)
            standing = await services_store.host_standing(deps.pool, host)
            if standing != "up":
                raise HostDown(
                    f"host {host} is down; it did not answer {verb!r}",
                    fenced=standing == "fenced",
                )

    async def _refuse_a_second_guest(self, host: str) -> None:
        """A live migration whose destination fell silent in the hand-over has left a guest that may
        be executing there. Until that host answers or is declared down, no other may, whatever
        state an operator has said the server is in."""
        elsewhere: Sequence[str] = await leftovers.guests_that_may_run(
            self.deps.pool, self.server.uuid, except_host=host
        )
        if elsewhere:
            raise HostCommandFailed(
                f"a guest may be running on {', '.join(elsewhere)}, which is silent: "
                "wait for it to return, or declare it down (forced_down) once it is switched off"
            )

    @staticmethod
    def _answer(host: str, verb: str, reply: Message) -> HostReply:
        if not isinstance(reply, HostReply):
            raise Bug(f"host {host} answered {verb!r} with {reply.TYPE}")
        if reply.error is None:
            return reply
        error = from_code(reply.error.code, reply.error.message)
        raise HostCommandFailed(reply.error.message) if isinstance(error, Bug) else error

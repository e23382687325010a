"""The one statement that moves a workflow on, with everything the step has changed.

Owns: every write a workflow makes: its progress, its server with its disks, migration and action,
leftovers, and the claims on hosts (whose SQL is in stores/claims.py).
May not: decide anything; the engine and the workflows do.
Crash story: one statement, so progress and effects happen together or not at all. A conductor that
has lost the lease, or has been overtaken by a delete, writes nothing.

How it reads. Each part feeds on the one before; nothing else orders the parts of a WITH.

    held       the workflow's row, locked, if the lease is still ours
    go         the same, unless a delete asks it to give way
    server     its server, locked       | only where rows that others
    migration  the move's row, locked   | write as well come after them
    gone       claims given back
    grp        the server's group, locked | only with a claim
    nodes      every host concerned, locked in the order of names
    claimed    the first host of the claim's walk that has room
    done       the workflow; no row where the claim was refused
    told       services whose hosts have to report again, locked in the order of names
    ...        what is written, each from `done`

Why it holds. A statement sees what was committed when it began. What may have changed while it
waited for a lock is therefore read from the row that the lock returned, the newest version: the
epoch and the cancel request in `held`, the capacity and the zone in `nodes`. Where the members of a
group are is in no one row; a function that looks anew each time tells it, once `grp` is locked. All
hosts of a walk are locked before one is chosen: walking in the order of preference would keep the
locks of hosts found full while it waits for the next, and two walks in opposite directions would
wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal
from uuid import UUID

from common.db.statement import Sql, Statement
from common.db.stores import commit_parts as parts
from common.db.stores.claims import Claim, Executor, Release
from common.db.stores.workflows import Workflow
from common.domain.block_devices import BlockDevice
from common.domain.server import Server

NOW = Sql("clock_timestamp()")
UNKNOWN = Sql("null")
"""Empties a column that runs do not read."""
CLAIMED_HOST = Sql("(select host from claimed)")
CLAIMED_NODE = Sql("(select node from claimed)")


@dataclass(frozen=True)
class Event:
    """An instance-action event to write with a commit. `result` None: it starts now."""

    name: str
    host: str | None = None
    """May be CLAIMED_HOST."""
    result: str | None = None
    details: str | None = None
    started_ago_s: float = 0.0


@dataclass(frozen=True)
class Leftover:
    """What the workflow could not clean up; a reconciler does. See table leftovers."""

    kind: Literal["ports", "image", "guest", "attachments", "volume", "snapshot", "interface"]
    detail: dict[str, Any]
    """What its cleaner in services/conductor/reconcilers/clean_leftovers.py reads."""
    reason: str


@dataclass
class Changes:
    """What a commit writes beside the progress of the workflow itself."""

    server: dict[str, Any] = field(default_factory=dict)
    """Columns of `servers` by name."""
    devices: dict[UUID, BlockDevice | None] = field(default_factory=dict)
    """Disks of the server as they are from now on; None: it is no longer there."""
    claim: Claim | None = None
    """Without it nothing is written. Not together with `release` or `promote`."""
    claimed_state: dict[str, Literal["host", "node"]] = field(default_factory=dict)
    """Keys of the workflow's state that are written from the claim."""
    release: Release | None = None
    promote: str | None = None
    """A move to this host has ended well: its claim becomes the server's, all others are given back
    (also one on the same host: a resize in place)."""
    insert_events: list[Event] = field(default_factory=list)
    finish_events: list[Event] = field(default_factory=list)
    """Events started by an earlier commit, or among `insert_events`."""
    action_failed: bool = False
    action_finished: bool = False
    migration: dict[str, Any] = field(default_factory=dict)
    """Columns of the migration row named by `migration_uuid`."""
    migration_uuid: UUID | None = None
    leftovers: list[Leftover] = field(default_factory=list)
    settled: Leftover | None = None
    """What is in order now, should it be on record as left over."""
    outcome: dict[str, Any] | None = None
    """What the action answers a request that waits for it; see instance_actions.outcome."""
    built_on: str | None = None
    """A host that has just built a server: its failures are forgiven."""
    failed_on: str | None = None
    """A host that has just failed to: others are preferred."""
    released_guests: list[tuple[str, int]] = field(default_factory=list)
    """(host, generation) of held guests that are the server's once this is written: their hosts are
    told then. Here, because who drops the changes of a step must drop this with them."""
    recheck_hosts: list[str] = field(default_factory=list)
    """Hosts to be told, once this is written, that the truth about a guest of theirs has changed.
    Told before, they would be given the old answer; what is written makes their next heartbeat ask
    for a report, should the message be lost."""
    ports_changed: bool = False
    """Once this is written, what the server shows is compared with the network service."""


class Outcome(Enum):
    """Anything but WRITTEN: nothing was written."""

    WRITTEN = "written"
    REFUSED = "refused"
    """No host of the claim has room, is in service and is let by the server's group."""
    CANCELLED = "cancelled"
    """A delete asks the workflow to give way."""
    LOST = "lost"
    """Another conductor has it, or has ended it."""


@dataclass(frozen=True)
class Committed:
    outcome: Outcome
    host: str | None = None
    """What was claimed, with its node."""
    node: str | None = None
    followers: bool = False
    """It has ended and another workflow of the server waits. One that is asked for at this very
    moment may be missed, unless it is a delete; the sweep finds it."""


async def commit(
    db: Executor,
    workflow: Workflow,
    changes: Changes,
    *,
    ended: bool,
    even_if_cancelled: bool,
    take_lease: tuple[str, float] | None = None,
    known: Server | None = None,
) -> Committed:
    """Write progress and effects.

    `known`: the server as this run knows it. The task_state is written only while it is the known
    one; else a request has set it for the workflow that comes next, and it is that one's.

    `take_lease` (owner, seconds): the workflow has run without a lease so far; it is taken if
    nobody else has. The row's epoch is then one higher than `workflow.lease_epoch`, which is left
    to the caller like all of `workflow`.
    """
    s = Statement()
    parts.lock(s, workflow, changes, even_if_cancelled=even_if_cancelled)
    parts.write_progress(s, workflow, changes, ended=ended, take_lease=take_lease)
    parts.write_server(s, changes, known)
    parts.write_devices(s, changes)
    parts.write_hosts(s, changes)
    parts.write_events(s, changes)
    parts.write_leftovers(s, workflow, changes)
    row = await db.fetchrow(
        s.text(
            f"""select (select count(*) from wf) as written,
       (select count(*) from held) as leased,
       (select count(*) from go) as wanted,
       {CLAIMED_HOST if changes.claim else "null"} as host,
       {CLAIMED_NODE if changes.claim else "null"} as node,
       {_FOLLOWERS if ended else "false"} as followers"""
        ),
        *s.parameters,
    )
    if row["written"]:
        return Committed(Outcome.WRITTEN, row["host"], row["node"], row["followers"])
    if not row["leased"]:
        return Committed(Outcome.LOST)
    return Committed(Outcome.REFUSED if row["wanted"] else Outcome.CANCELLED)


_FOLLOWERS = """exists (select from workflows o, done
                where o.server_uuid = done.server_uuid and o.id <> done.id)
       or coalesce((select cancel_requested from held), false)"""

"""The parts of the commit statement; stores/commit.py says how they fit together.

Owns: their SQL, but for that of claims (stores/claims.py). May not: run it.
Crash story: none, they are text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.db.statement import Sql, Statement
from common.db.stores import claims
from common.db.stores.workflows import Workflow

if TYPE_CHECKING:
    from common.db.stores.commit import Changes
    from common.domain.server import Server

_NOW = Sql("clock_timestamp()")


def lock(s: Statement, workflow: Workflow, changes: Changes, *, even_if_cancelled: bool) -> None:
    """From `held` to `told`: all that is locked, always in this order, and what it decides."""
    s.part(
        "held",
        f"""
    select id, server_uuid, action_id, cancel_requested from workflows
     where id = {s.value(workflow.id)} and lease_epoch = {s.value(workflow.lease_epoch)}
       for no key update""",
    )
    s.part(
        "go", "select * from held" + ("" if even_if_cancelled else " where not cancel_requested")
    )
    gives_back = changes.release is not None or changes.promote is not None
    touches_nodes = changes.claim or gives_back or changes.built_on or changes.failed_on
    before = "go"
    if touches_nodes or changes.recheck_hosts:
        before = _lock_own(s, changes)
    if gives_back:
        assert changes.claim is None, "a commit claims or gives back, not both"
        claims.add_gone(s, changes.release, changes.promote)
    if changes.claim is not None and changes.claim.group is not None:
        claims.add_group(s, changes.claim.group, before)
        before = "grp"
    if touches_nodes:
        before = _lock_nodes(s, changes, before, gives_back=gives_back)
    if changes.claim:
        claims.add_claimed(s, changes.claim)
    s.part("done", "select go.* from go" + (", claimed" if changes.claim else ""))
    if changes.recheck_hosts:
        _lock_services(s, changes.recheck_hosts, before)


# A part that has only to come after another one counts its rows, whatever the number.


def _lock_own(s: Statement, changes: Changes) -> str:
    """`server` and `migration`; returns the last one."""
    s.part(
        "server",
        """
    select sv.uuid from servers sv join go on go.server_uuid = sv.uuid
       for no key update of sv""",
    )
    if not changes.migration or changes.migration_uuid is None:
        return "server"
    s.part(
        "migration",
        f"""
    select m.id from migrations m, server where m.uuid = {s.value(changes.migration_uuid)}
       for no key update of m""",
    )
    return "migration"


def _lock_nodes(s: Statement, changes: Changes, before: str, *, gives_back: bool) -> str:
    hosts = []
    if changes.claim:
        hosts.append(f"select unnest({s.value(list(changes.claim.hosts), 'text[]')})")
    if gives_back:
        hosts.append("select host from gone")
    if changes.failed_on:
        hosts.append(f"select {s.value(changes.failed_on, 'text')}")
    if changes.built_on:  # most hosts have nothing to be forgiven, and are not locked
        built_on = s.value(changes.built_on, "text")
        hosts.append(
            f"select host from compute_nodes where host = {built_on} and failed_builds > 0"
        )
    s.part(
        "nodes",
        f"""
    select {claims.NODE_COLUMNS}
      from ({" union ".join(hosts)}) as concerned (host) join compute_nodes n using (host)
     where exists (select from server) and (select count(*) from {before}) >= 0
     order by n.host for no key update of n""",
    )
    return "nodes"


def _lock_services(s: Statement, hosts: list[str], before: str) -> None:
    s.part(
        "told",
        f"""
    select sr.id from services sr, done
     where sr.binary_name = 'nova-compute' and sr.host = any({s.value(hosts, "text[]")})
       and (select count(*) from {before}) >= 0
     order by sr.host for no key update of sr""",
    )


def write_progress(
    s: Statement,
    workflow: Workflow,
    changes: Changes,
    *,
    ended: bool,
    take_lease: tuple[str, float] | None,
) -> None:
    if ended:
        s.part("wf", "delete from workflows w using done where w.id = done.id returning w.id")
        return
    columns = {
        "step": workflow.step,
        "attempt": workflow.attempt,
        "unwinding": workflow.unwinding,
        "error": workflow.error,
        "state": workflow.state,
    }
    assignments = s.assignments(columns)
    if changes.claimed_state:
        claimed = ", ".join(
            f"{s.value(key, 'text')}, (select {what} from claimed)"
            for key, what in changes.claimed_state.items()
        )
        assignments += f" || jsonb_build_object({claimed})"
    if take_lease is not None:
        owner, lease_s = take_lease
        assignments += (
            f", lease_owner = {s.value(owner)}, lease_epoch = w.lease_epoch + 1, lease_expires_at ="
            f" clock_timestamp() + make_interval(secs => {s.value(lease_s)})"
        )
    s.part(
        "wf",
        f"update workflows w set {assignments} from done where w.id = done.id returning w.id",
    )


def write_server(s: Statement, changes: Changes, known: Server | None) -> None:
    if changes.server:
        columns = dict(changes.server)
        if known is not None and "task_state" in columns:
            new = s.value(columns["task_state"], "text")
            columns["task_state"] = Sql(
                f"case when sv.task_state is not distinct from {s.value(known.task_state, 'text')}"
                f" then {new} else sv.task_state end"
            )
        s.part(
            "sv",
            f"""
    update servers sv set {s.assignments(columns)}, updated_at = clock_timestamp()
      from done where sv.uuid = done.server_uuid""",
        )
    if changes.migration and changes.migration_uuid:
        s.part(
            "mg",
            f"""
    update migrations m set {s.assignments(changes.migration)}, updated_at = clock_timestamp()
      from done where m.uuid = {s.value(changes.migration_uuid)}""",
        )


def write_devices(s: Statement, changes: Changes) -> None:
    """What workflows change of a disk: which volume it is, and by which attachment."""
    gone = [uuid for uuid, device in changes.devices.items() if device is None]
    if gone:
        s.part(
            "dg",
            f"""
    delete from block_devices d using done
     where d.server_uuid = done.server_uuid and d.uuid = any({s.value(gone, "uuid[]")})""",
        )
    kept = [
        {
            "uuid": str(device.uuid),
            "volume_id": device.volume_id,
            "attachment_id": device.attachment_id,
            "size": device.size,
        }
        for device in changes.devices.values()
        if device is not None
    ]
    if kept:
        s.part(
            "dv",
            f"""
    update block_devices d
       set volume_id = n.volume_id, attachment_id = n.attachment_id, size = n.size
      from done, jsonb_to_recordset({s.value(kept, "jsonb")})
           as n (uuid uuid, volume_id text, attachment_id text, size integer)
     where d.server_uuid = done.server_uuid and d.uuid = n.uuid""",
        )


def write_hosts(s: Statement, changes: Changes) -> None:
    ledger = []
    if changes.claim:
        claims.add_allocation(s, changes.claim)
        ledger.append("select host, vcpus, memory_mib, disk_gib, 1, 0 from allocation")
    if changes.release is not None or changes.promote is not None:
        ledger.append("select host, -vcpus, -memory_mib, -disk_gib, -1, 0 from gone")
    if changes.promote is not None:
        claims.add_promoted(s, changes.promote)
    if changes.failed_on:
        ledger.append(f"select {s.value(changes.failed_on, 'text')}, 0, 0, 0, 0, 1 from done")
    if changes.built_on:
        ledger.append(
            "select n.host, 0, 0, 0, 0, -n.failed_builds from nodes n, done"
            f" where n.host = {s.value(changes.built_on, 'text')}"
        )
    if ledger:
        claims.add_ledger(s, ledger)
    if changes.recheck_hosts:
        s.part(
            "unsettled",
            # Also where it is null: who settles a report sees by the row's version that it is old.
            "update services sr set inventory = null from told where sr.id = told.id",
        )


def write_events(s: Statement, changes: Changes) -> None:
    finished = {event.name: event for event in changes.finish_events}
    inserted = []
    for event in changes.insert_events:
        end = finished.pop(event.name, None) if event.result is None else None
        inserted.append(replace(event, result=end.result, details=end.details) if end else event)
    if finished:
        ends = ", ".join(
            f"({s.value(e.name, 'text')}, {s.value(e.result, 'text')},"
            f" {s.value(e.details, 'text')})"
            for e in finished.values()
        )
        s.part(
            "ended",
            f"""
    update instance_action_events e
       set finish_time = clock_timestamp(), result = ends.result, details = ends.details
      from done, (values {ends}) as ends (event, result, details)
     where e.action_id = done.action_id and e.event = ends.event and e.finish_time is null""",
        )
    if inserted:
        begun = ", ".join(
            f"({s.value(e.name, 'text')}, {s.value(e.host, 'text')},"
            f" {s.value(e.started_ago_s, 'double precision')},"
            f" {s.value(e.result, 'text')}, {s.value(e.details, 'text')})"
            for e in inserted
        )
        s.part(
            "begun",
            f"""
    insert into instance_action_events
           (action_id, event, host, start_time, finish_time, result, details)
    select done.action_id, e.event, e.host, clock_timestamp() - make_interval(secs => e.ago_s),
           case when e.result is not null then clock_timestamp() end, e.result, e.details
      from done, (values {begun}) as e (event, host, ago_s, result, details)
     where done.action_id is not null""",
        )
    if finished or inserted or changes.action_finished or changes.action_failed:
        columns: dict[str, Any] = {"updated_at": _NOW}
        if changes.outcome is not None:
            columns["outcome"] = changes.outcome
        if changes.action_finished:
            columns["finish_time"] = _NOW
        if changes.action_failed:
            columns["message"] = "Error"
        s.part(
            "ac",
            f"""
    update instance_actions a set {s.assignments(columns)} from done
     where a.id = done.action_id""",
        )


def write_leftovers(s: Statement, workflow: Workflow, changes: Changes) -> None:
    """One that is on record already stays as it is."""
    if (settled := changes.settled) is not None:
        s.part(
            "se",
            f"""
    delete from leftovers l using done
     where l.server_uuid = done.server_uuid and l.kind = {s.value(settled.kind, "text")}
       and l.detail = {s.value(settled.detail, "jsonb")}""",
        )
    if not changes.leftovers:
        return
    rows = ", ".join(
        f"({s.value(left.kind, 'text')}, {s.value(left.detail, 'jsonb')},"
        f" {s.value(left.reason, 'text')})"
        for left in changes.leftovers
    )
    s.part(
        "lo",
        f"""
    insert into leftovers (server_uuid, kind, detail, reason, request_id)
    select done.server_uuid, l.kind, l.detail, l.reason, {s.value(workflow.request_id, "text")}
      from done, (values {rows}) as l (kind, detail, reason)
    on conflict do nothing""",
    )

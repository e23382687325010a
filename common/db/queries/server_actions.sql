-- name: settle_migration(uuid, status)^
-- Of confirm and revert only one finds the migration finished.
update migrations set status = :status, updated_at = clock_timestamp()
 where uuid = :uuid and status = 'finished'
returning uuid;

-- name: overtake(uuid, yields_to)!
-- Ask whatever runs on the server to give way. Before the server's row is touched: conductors lock
-- the workflow first and the server second.
update workflows set cancel_requested = true
 where server_uuid = :uuid and kind <> all(:yields_to::text[]) and not cancel_requested;

-- name: begin_delete(uuid, kind, yields_to, task_state, unless_vm_state, action, request_id, user_id, project_id, deadline_s, reserve_s)^
-- Whether the server exists, and the new workflow: none when a delete is under way already. Workflows
-- are locked before the server, as conductors do. A task_state that is not the one seen at the
-- beginning any more: something has begun meanwhile, perhaps a delete; look again.
with late as (
    update workflows set cancel_requested = true
     where id in (select id from workflows
                   where server_uuid = :uuid and kind <> all(:yields_to::text[])
                     and not cancel_requested
                   order by id for update)
    returning id
), sv as (
    update servers set task_state = :task_state, updated_at = clock_timestamp()
     where uuid = :uuid and deleted_at is null and (select count(*) from late) >= 0
       and (:unless_vm_state::text is null or vm_state <> :unless_vm_state)
       and not exists (select 1 from workflows
                        where server_uuid = :uuid and kind = any(:yields_to::text[]))
       and task_state is not distinct from (select task_state from servers where uuid = :uuid)
    returning uuid
), ac as (
    insert into instance_actions (server_uuid, action, request_id, user_id, project_id)
    select uuid, :action, :request_id, :user_id, :project_id from sv
    returning id, server_uuid
), wf as (
    insert into workflows (kind, server_uuid, request_id, action_id, deadline_at, lease_expires_at)
    select :kind, server_uuid, :request_id, id, now() + make_interval(secs => :deadline_s),
           now() + make_interval(secs => :reserve_s)
      from ac
    returning id
)
select exists (select from servers where uuid = :uuid and deleted_at is null) as existed,
       (select id from wf) as workflow_id,
       exists (select from servers where uuid = :uuid and deleted_at is null
                  and (:unless_vm_state::text is null or vm_state <> :unless_vm_state))
       and not exists (select from workflows
                        where server_uuid = :uuid and kind = any(:yields_to::text[]))
       and not exists (select from wf) as again;

-- name: record_action(uuid, action, request_id, user_id, project_id, event)!
-- An action that is over when the request is answered; `event` may be null.
with ac as (
    insert into instance_actions (server_uuid, action, request_id, user_id, project_id, updated_at,
                                  finish_time)
    values (:uuid, :action, :request_id, :user_id, :project_id, clock_timestamp(),
            clock_timestamp())
    returning id
)
insert into instance_action_events (action_id, event, finish_time, result)
select id, :event, clock_timestamp(), 'Success' from ac where :event::text is not null;

-- name: reset_state(uuid, vm_state)^
update servers set vm_state = :vm_state, task_state = null, updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null
returning uuid;

-- name: set_lock(uuid, locked_by, reason)!
-- The owner's second lock changes nothing; an administrator's replaces it.
update servers set locked_by = :locked_by, locked_reason = :reason, updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null;

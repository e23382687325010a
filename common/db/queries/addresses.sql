-- What servers show of their ports, for those who compare it with the network service.

-- name: shown(uuids)
select uuid, host, vm_state, network_info, security_groups from servers
 where uuid = any(:uuids::uuid[]) and deleted_at is null;

-- name: page(after, most)
-- In the order of their ids, so that a round goes once through all, whatever comes and goes.
select uuid, host, vm_state, network_info, security_groups from servers
 where deleted_at is null and uuid > coalesce(:after, '00000000-0000-0000-0000-000000000000')::uuid
 order by uuid limit :most;

-- name: write(uuid, shown, network_info, security_groups)$
-- Only while it shows what was compared: a workflow that has added or removed a port meanwhile wins.
-- What is shown of ports is not a change of the server, so updated_at stays.
update servers set network_info = :network_info, security_groups = :security_groups
 where uuid = :uuid and deleted_at is null and network_info = :shown::jsonb
returning true;

-- name: take_turn(name, every_s)^
-- Nothing when another one has had this turn.
insert into reconciler_turns as t (name, due_at)
values (:name, now() + make_interval(secs => :every_s))
on conflict (name) do update set due_at = excluded.due_at where t.due_at <= now()
returning position;

-- name: end_turn(name, position)!
update reconciler_turns set position = :position where name = :name;

-- name: places(uuids)
select uuid, host, task_state from servers where uuid = any(:uuids::uuid[]) and deleted_at is null;

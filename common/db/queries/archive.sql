-- What `muster db archive` moves: servers deleted before a time, with their history.

-- name: move(before, most, keep, settled)^
-- One batch, oldest first, in one statement: it happens whole or not at all. Skipped for now is what
-- somebody still works on, and a server whose host has not been heard of since the deletion: that
-- host may still have its guest, and only this row tells it that the guest is over.
with old as (
    select s.uuid from servers s
     where s.deleted_at is not null and s.deleted_at < :before::timestamptz
       and not exists (select from workflows w where w.server_uuid = s.uuid)
       and not exists (select from leftovers l where l.server_uuid = s.uuid)
       and not exists (select from allocations a where a.server_uuid = s.uuid)
       and not exists (select from migrations m
                        where m.server_uuid = s.uuid and m.status <> all(:settled::text[]))
       and not exists (select from services c
                        where c.host = s.host and c.binary_name = 'nova-compute'
                          and coalesce(c.last_seen_up, '-infinity') < s.deleted_at)
     order by s.deleted_at limit :most
       for update skip locked
), gone_servers as (
    delete from servers s using old where s.uuid = old.uuid
    returning s.uuid, s.project_id, s.deleted_at, to_jsonb(s) as row
), gone_actions as (
    delete from instance_actions a using old where a.server_uuid = old.uuid
    returning a.id, a.server_uuid, to_jsonb(a) as row
), gone_events as (
    -- They go with their actions; here they are read as the statement found them.
    select e.action_id, jsonb_agg(to_jsonb(e) order by e.id) as events, count(*) as count
      from instance_action_events e
      join instance_actions a on a.id = e.action_id
      join old on old.uuid = a.server_uuid
     group by e.action_id
), gone_migrations as (
    delete from migrations m using old where m.server_uuid = old.uuid
    returning m.id, m.server_uuid, to_jsonb(m) as row
), kept_servers as (
    insert into archived_servers (uuid, project_id, deleted_at, row)
    select uuid, project_id, deleted_at, row from gone_servers where :keep::boolean
), kept_actions as (
    insert into archived_instance_actions (id, server_uuid, row)
    select a.id, a.server_uuid,
           a.row || jsonb_build_object('events', coalesce(e.events, '[]'))
      from gone_actions a left join gone_events e on e.action_id = a.id where :keep::boolean
), kept_migrations as (
    insert into archived_migrations (id, server_uuid, row)
    select id, server_uuid, row from gone_migrations where :keep::boolean
)
select (select count(*) from gone_servers)::integer as servers,
       (select count(*) from gone_actions)::integer as instance_actions,
       (select coalesce(sum(count), 0) from gone_events)::integer as events,
       (select count(*) from gone_migrations)::integer as migrations;

-- name: ago(seconds)$
select now() - make_interval(secs => :seconds);

-- name: remaining(before)$
select count(*)::integer from servers where deleted_at is not null and deleted_at < :before;

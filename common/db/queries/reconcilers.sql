-- What periodic tasks look for. Each finds only what is due by the database's clock, through a partial
-- index that holds candidates only; beginning the action is a compare-and-set, so two conductors
-- that find the same server act once.

-- name: resizes_to_confirm(window_s, most)
select s.uuid, m.uuid as migration_uuid, m.source_compute as source, m.source_generation
  from servers s join migrations m on m.server_uuid = s.uuid
 where s.vm_state = 'resized' and s.task_state is null and s.deleted_at is null
   and m.status = 'finished' and m.migration_type in ('resize', 'migration')
   and m.updated_at < now() - make_interval(secs => :window_s)
   and not exists (select 1 from workflows w where w.server_uuid = s.uuid)
 order by m.updated_at limit :most;

-- name: servers_to_reclaim(interval_s, most)
-- The time is kept as ISO 8601 text in UTC, which sorts as time does.
select uuid from servers
 where system_metadata ? 'soft_deleted_at' and deleted_at is null
   and vm_state = 'soft-delete' and task_state is null
   and (system_metadata ->> 'soft_deleted_at') collate "C"
       < to_char((now() - make_interval(secs => :interval_s)) at time zone 'UTC',
                 'YYYY-MM-DD"T"HH24:MI:SS.US')
 order by (system_metadata ->> 'soft_deleted_at') collate "C" limit :most;

-- name: servers_to_offload(time_s, most)
select uuid from servers
 where system_metadata ? 'shelved_at' and host is not null and deleted_at is null
   and vm_state = 'shelved' and task_state is null
   and (system_metadata ->> 'shelved_at') collate "C"
       < to_char((now() - make_interval(secs => :time_s)) at time zone 'UTC',
                 'YYYY-MM-DD"T"HH24:MI:SS.US')
 order by (system_metadata ->> 'shelved_at') collate "C" limit :most;

-- What periodic tasks look for. Each finds only what is due by the database's clock; beginning the
-- action is a compare-and-set, so two conductors that find the same server act once.

-- name: resizes_to_confirm(window_s, most)
select s.uuid, m.uuid as migration_uuid, m.source_compute as source, m.source_generation
  from servers s join migrations m on m.server_uuid = s.uuid
 where s.vm_state = 'resized' and s.task_state is null and s.deleted_at is null
   and m.status = 'finished' and m.migration_type in ('resize', 'migration')
   and m.updated_at < now() - make_interval(secs => :window_s)
   and not exists (select 1 from workflows w where w.server_uuid = s.uuid)
 order by m.updated_at limit :most;

-- name: servers_to_reclaim(interval_s, most)
select uuid from servers
 where vm_state = 'soft-delete' and task_state is null and deleted_at is null
   and (system_metadata ->> 'soft_deleted_at')::timestamptz
       < now() - make_interval(secs => :interval_s)
 order by updated_at limit :most;

-- name: servers_to_offload(time_s, most)
select uuid from servers
 where vm_state = 'shelved' and task_state is null and deleted_at is null
   and (system_metadata ->> 'shelved_at')::timestamptz < now() - make_interval(secs => :time_s)
 order by updated_at limit :most;

-- name: record_progress(uuid, progress)$
-- What the source says; returns what operators have asked for meanwhile.
update migrations
   set details = details || :progress, updated_at = clock_timestamp()
 where uuid = :uuid
returning coalesce(details -> 'asked_for', '[]'::jsonb);

-- name: progress_of_server(uuid, percent)!
update servers set progress = :percent
 where uuid = (select server_uuid from migrations where uuid = :uuid) and progress <> :percent;

-- name: ask_for(uuid, what)!
update migrations
   set details = jsonb_set(details, '{asked_for}',
                           coalesce(details -> 'asked_for', '[]') || to_jsonb(:what::text)),
       updated_at = clock_timestamp()
 where uuid = :uuid and not coalesce(details -> 'asked_for', '[]') ? :what;

-- name: unsettled(server_uuid)
-- Resizes that wait for their confirmation, or whose settling a delete has overtaken: what their
-- sources may still keep.
select uuid, status, source_compute as source, source_node, source_generation
  from migrations
 where server_uuid = :server_uuid and status in ('finished', 'confirming', 'reverting')
   and migration_type in ('resize', 'migration')
 order by id desc;

-- name: migration_of_server(id, server_uuid)^
select m.*, n.host_ip as dest_ip
  from migrations m left join compute_nodes n on n.host = m.dest_compute
 where m.id = :id and m.server_uuid = :server_uuid;

-- name: live_migrations_of(server_uuid, over)
select m.*, n.host_ip as dest_ip
  from migrations m left join compute_nodes n on n.host = m.dest_compute
 where m.server_uuid = :server_uuid and m.migration_type = 'live-migration'
   and m.status <> all(:over::text[])
 order by m.id desc;

-- name: marker(uuid, project_id)^
select created_at, id from migrations
 where uuid = :uuid and (:project_id::text is null or project_id = :project_id::text);

-- name: find(hidden, host, server_uuid, migration_type, source_compute, status, user_id, project_id, changed_since, changed_before, after_created_at, after_id, most)
-- Newest first; a null parameter allows everything.
select m.*, n.host_ip as dest_ip
  from migrations m left join compute_nodes n on n.host = m.dest_compute
 where m.hidden = :hidden
   and (:host::text is null or m.source_compute = :host or m.dest_compute = :host)
   and (:server_uuid::uuid is null or m.server_uuid = :server_uuid)
   and (:migration_type::text is null or m.migration_type = :migration_type)
   and (:source_compute::text is null or m.source_compute = :source_compute)
   and (:status::text is null or m.status = :status)
   and (:user_id::text is null or m.user_id = :user_id)
   and (:project_id::text is null or m.project_id = :project_id)
   and (:changed_since::timestamptz is null or m.updated_at >= :changed_since)
   and (:changed_before::timestamptz is null or m.updated_at <= :changed_before)
   and (:after_id::bigint is null
        or (m.created_at, m.id) < (:after_created_at::timestamptz, :after_id))
 order by m.created_at desc, m.id desc
 limit :most;

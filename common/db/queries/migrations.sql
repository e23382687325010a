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

-- name: actions(server_uuid, since, before, marker_id, most)
-- Newest first; null bounds do not apply.
select a.*, coalesce(a.updated_at, a.start_time) as changed_at
  from instance_actions a
 where a.server_uuid = :server_uuid
   and (:since::timestamptz is null or coalesce(a.updated_at, a.start_time) >= :since)
   and (:before::timestamptz is null or coalesce(a.updated_at, a.start_time) <= :before)
   and (:marker_id::bigint is null or a.id < :marker_id)
 order by a.id desc limit :most;

-- name: action(server_uuid, request_id)^
select a.*, coalesce(a.updated_at, a.start_time) as changed_at
  from instance_actions a
 where a.server_uuid = :server_uuid and a.request_id = :request_id;

-- name: events(action_id)
select * from instance_action_events where action_id = :action_id order by start_time, id;

-- name: outcome(server_uuid, request_id)^
select finish_time is not null as finished, outcome from instance_actions
 where server_uuid = :server_uuid and request_id = :request_id;

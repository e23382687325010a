-- name: limits_of(project_id, class_row)^
-- The project's own limits and those of the default class.
select coalesce((select limits from quota_projects where project_id = :project_id), '{}') as own,
       coalesce((select limits from quota_projects where project_id = :class_row), '{}') as class;

-- name: lock_project(project_id)$
-- Held until the transaction ends. Count usage in a later statement: only that one sees what the
-- holder before us has committed.
select project_id from quota_projects where project_id = :project_id for update;

-- name: add_project(project_id)!
insert into quota_projects (project_id) values (:project_id) on conflict do nothing;

-- name: usage(project_id)^
select instances::integer, cores::integer, ram,
       (select count(*) from server_groups where project_id = :project_id)::integer as server_groups
  from usage_of(:project_id);

-- name: usage_of_resizes(project_id)^
select coalesce(sum(greatest((w.state -> 'flavor' ->> 'vcpus')::integer - s.vcpus, 0)),
                0)::integer as cores,
       coalesce(sum(greatest((w.state -> 'flavor' ->> 'memory_mib')::bigint - s.memory_mib, 0)),
                0)::bigint as ram
  from workflows w join servers s on s.uuid = w.server_uuid
 where w.kind = 'resize' and s.project_id = :project_id and s.vm_state <> 'resized';

-- name: set_limits(project_id, limits)!
insert into quota_projects (project_id, limits) values (:project_id, :limits)
on conflict (project_id) do update set limits = excluded.limits;

-- name: clear_limits(project_id)!
-- The row stays: it is also the lock under which usage is counted.
update quota_projects set limits = '{}' where project_id = :project_id;

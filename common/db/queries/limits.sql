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

-- name: usage(project_id, user_id)^
-- Of the project, or of one user in it.
select u.instances::integer, u.cores::integer, u.ram,
       (select count(*) from server_groups
         where project_id = :project_id
           and (:user_id::text is null or user_id = :user_id))::integer as server_groups
  from (select * from usage_of(:project_id) where :user_id::text is null
        union all
        select * from usage_of_user(:project_id, :user_id) where :user_id::text is not null) u;

-- name: set_limits(project_id, limits)!
insert into quota_projects (project_id, limits) values (:project_id, :limits)
on conflict (project_id) do update set limits = excluded.limits;

-- name: clear_limits(project_id)!
-- The row stays: it is also the lock under which usage is counted.
update quota_projects set limits = '{}' where project_id = :project_id;

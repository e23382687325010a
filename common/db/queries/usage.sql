-- What projects have used in a period.

-- name: servers(since, until, project_id, after_project, after_uuid, most)
-- In pages by project and id.
select * from servers_in(:since, :until, :project_id)
 where :after_uuid::uuid is null
    or (project_id, uuid) > (:after_project::text, :after_uuid::uuid)
 order by project_id, uuid limit :most;

-- name: sums(since, until)
-- Hours, and hours times size, of each project.
select project_id, sum(hours) as hours, sum(hours * vcpus) as vcpu_hours,
       sum(hours * memory_mib) as memory_mib_hours, sum(hours * local_gib) as local_gib_hours
  from (select project_id, vcpus, memory_mib, local_gib,
               extract(epoch from least(ended_at, :until) - greatest(launched_at, :since))
                   ::double precision / 3600 as hours
          from servers_in(:since, :until, null)) used
 group by project_id order by project_id;

-- name: project_of(uuid)$
-- Also of a server that is gone.
select project_id from servers where uuid = :uuid
union all
select project_id from archived_servers where uuid = :uuid
limit 1;

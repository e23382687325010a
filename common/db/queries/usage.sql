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

-- name: project_of(uuid, project_id)$
-- Also of a server that is gone; null when it is not one of the project.
select project_id
  from (select uuid, project_id from servers
        union all
        select uuid, project_id from archived_servers) every_server
 where uuid = :uuid and (:project_id::text is null or project_id = :project_id)
 limit 1;

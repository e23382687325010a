-- name: groups(project_id, uuid, count, skip)
-- Of a project, or all; or one. Members are the servers that still exist.
select g.*, coalesce((select array_agg(s.uuid order by s.created_at, s.uuid) from servers s
                       where s.server_group = g.uuid and s.deleted_at is null), '{}') as members
  from server_groups g
 where (:project_id::text is null or g.project_id = :project_id)
   and (:uuid::uuid is null or g.uuid = :uuid)
 order by g.id limit :count::bigint offset :skip::bigint;

-- name: create_group(uuid, project_id, user_id, name, policy, max_per_host, most)$
-- Exact only while the project is locked by an earlier statement. `most` of null is no limit.
insert into server_groups (uuid, project_id, user_id, name, policy, max_per_host)
select :uuid, :project_id, :user_id, :name, :policy, :max_per_host
 where :most::bigint is null
    or :most > (select count(*) from server_groups where project_id = :project_id)
returning id;

-- name: delete_group(uuid)$
delete from server_groups where uuid = :uuid returning id;

-- name: count_groups(project_id)$
select count(*) from server_groups where project_id = :project_id;

-- name: most_members(project_id)$
-- Of one user in one group of the project.
select coalesce(max(members), 0) from (
    select count(*) as members from servers s join server_groups g on g.uuid = s.server_group
     where g.project_id = :project_id and s.deleted_at is null
     group by g.id, s.user_id) counted;

-- name: group_placement(uuid)
-- The group's policy, and where its members are or are about to be; a group without any is one row.
select g.policy, coalesce(g.max_per_host, 1) as max_per_host, placed.server_uuid, placed.host
  from server_groups g
  left join lateral (select a.server_uuid, a.host
                       from servers s join allocations a on a.server_uuid = s.uuid
                      where s.server_group = g.uuid and s.deleted_at is null) placed on true
 where g.uuid = :uuid;

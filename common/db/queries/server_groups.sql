-- name: groups(project_id, uuid, count, skip)
-- Of a project, or all; or one. Members are the servers that still exist.
select g.*, coalesce((select array_agg(s.uuid order by s.created_at, s.uuid) from servers s
                       where s.server_group = g.uuid and s.deleted_at is null), '{}') as members
  from server_groups g
 where (:project_id::text is null or g.project_id = :project_id)
   and (:uuid::uuid is null or g.uuid = :uuid)
 order by g.id limit :count::bigint offset :skip::bigint;

-- name: create_group(uuid, project_id, user_id, name, policy, max_per_host, project_most, user_most)$
-- Exact only while the project is locked by an earlier statement. A limit of null is none.
insert into server_groups (uuid, project_id, user_id, name, policy, max_per_host)
select :uuid, :project_id, :user_id, :name, :policy, :max_per_host
  from (select count(*) as project, count(*) filter (where user_id = :user_id) as own
          from server_groups where project_id = :project_id) there
 where (:project_most::bigint is null or there.project < :project_most)
   and (:user_most::bigint is null or there.own < :user_most)
returning id;

-- name: leave_group(uuid)!
-- Before the group goes: claims lock a server before its group, too.
update servers set server_group = null
 where uuid in (select uuid from servers where server_group = :uuid order by uuid
                   for no key update);

-- name: delete_group(uuid)$
delete from server_groups where uuid = :uuid returning id;

-- name: group_placement(uuid)
-- The group's policy, and where its members are or are about to be; a group without any is one row.
select g.policy, coalesce(g.max_per_host, 1) as max_per_host, placed.server_uuid, placed.host
  from server_groups g
  left join lateral (select a.server_uuid, a.host
                       from servers s join allocations a on a.server_uuid = s.uuid
                      where s.server_group = g.uuid and s.deleted_at is null) placed on true
 where g.uuid = :uuid;

-- Expand: usage, quotas of users and projects.

-- What resizes that run may add to a project's use.
create index workflows_resizes_idx on workflows (server_uuid) where kind = 'resize';

-- Resizes that wait for their confirmation may go back.
create index servers_resized_idx on servers (project_id)
    where old_flavor is not null and deleted_at is null;

-- What a project has used up in a time.
create index servers_deleted_project_idx on servers (project_id, deleted_at)
    where deleted_at is not null;
create index archived_servers_project_idx on archived_servers (project_id, deleted_at);
create index archived_servers_deleted_idx on archived_servers (deleted_at);

-- What a project has: all its servers less the softly deleted ones, and what resizes that run or wait
-- for their confirmation may still need: the larger of both flavors counts. All servers come from an
-- index alone, the others are few.
create or replace function usage_of(project text) returns table (instances bigint, cores bigint, ram bigint)
language sql stable rows 1 as $$
select every.instances - soft.instances, every.cores - soft.cores + pending.cores,
       every.ram - soft.ram + pending.ram
  from (select count(*) as instances, coalesce(sum(vcpus), 0) as cores,
               coalesce(sum(memory_mib), 0) as ram
          from servers where project_id = project and deleted_at is null) every,
       (select count(*) as instances, coalesce(sum(vcpus), 0) as cores,
               coalesce(sum(memory_mib), 0) as ram
          from servers where project_id = project and deleted_at is null
                         and system_metadata ? 'soft_deleted_at' and vm_state = 'soft-delete') soft,
       (select coalesce(sum(greatest((flavor ->> 'vcpus')::integer - vcpus, 0)), 0) as cores,
               coalesce(sum(greatest((flavor ->> 'memory_mib')::integer - memory_mib, 0)), 0) as ram
          from (select w.state -> 'flavor' as flavor, s.vcpus, s.memory_mib
                  from workflows w join servers s on s.uuid = w.server_uuid
                 where w.kind = 'resize' and s.project_id = project and s.deleted_at is null
                union all
                select old_flavor, vcpus, memory_mib from servers
                 where project_id = project and old_flavor is not null and deleted_at is null
                   and vm_state <> 'soft-delete') resizes) pending
$$;

-- The same for one user of a project, from its rows: few users have limits of their own.
create function usage_of_user(project text, member text)
returns table (instances bigint, cores bigint, ram bigint) language sql stable rows 1 as $$
select count(*),
       coalesce(sum(greatest(s.vcpus, (s.old_flavor ->> 'vcpus')::integer,
                             (w.state -> 'flavor' ->> 'vcpus')::integer)), 0),
       coalesce(sum(greatest(s.memory_mib, (s.old_flavor ->> 'memory_mib')::integer,
                             (w.state -> 'flavor' ->> 'memory_mib')::integer)), 0)
  from servers s left join workflows w on w.server_uuid = s.uuid and w.kind = 'resize'
 where s.project_id = project and s.user_id = member and s.deleted_at is null
   and s.vm_state <> 'soft-delete'
$$;

-- The servers that ran in a period, those that are gone too: what usage is counted from.
create function servers_in(since timestamptz, until timestamptz, project text)
returns table (uuid uuid, project_id text, name text, vm_state text, flavor text, vcpus integer,
               memory_mib integer, local_gib integer, launched_at timestamptz, ended_at timestamptz)
language sql stable as $$
select s.uuid, s.project_id, s.name, s.vm_state, s.flavor ->> 'name', s.vcpus, s.memory_mib,
       s.root_gib + s.ephemeral_gib, s.launched_at, s.terminated_at
  from servers s
 where s.deleted_at is null and s.launched_at < until
   and coalesce(s.terminated_at, 'infinity') > since
   and (project is null or s.project_id = project)
union all
select s.uuid, s.project_id, s.name, s.vm_state, s.flavor ->> 'name', s.vcpus, s.memory_mib,
       s.root_gib + s.ephemeral_gib, s.launched_at, coalesce(s.terminated_at, s.deleted_at)
  from servers s
 where s.deleted_at > since and s.launched_at < until
   and coalesce(s.terminated_at, s.deleted_at) > since
   and (project is null or s.project_id = project)
union all
select a.uuid, a.project_id, r.name, r.vm_state, r.flavor ->> 'name', r.vcpus, r.memory_mib,
       r.root_gib + r.ephemeral_gib, r.launched_at, coalesce(r.terminated_at, a.deleted_at)
  from archived_servers a,
       jsonb_to_record(a.row) as r (name text, vm_state text, flavor jsonb, vcpus integer,
                                    memory_mib integer, root_gib integer, ephemeral_gib integer,
                                    launched_at timestamptz, terminated_at timestamptz)
 where a.deleted_at > since and r.launched_at < until
   and coalesce(r.terminated_at, a.deleted_at) > since
   and (project is null or a.project_id = project)
$$;

-- What a host has to do: its servers, whatever they do, and those something is being done to.
create function load_of(compute_host text) returns table (servers integer, current_workload integer)
language sql stable rows 1 as $$
select count(*)::integer, count(task_state)::integer
  from servers where host = compute_host and deleted_at is null
$$;

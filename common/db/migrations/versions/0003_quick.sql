-- Expand: indexes that fit the periodic queries, updates that stay HOT, tables for the archive.

-- An update is HOT (no index is touched) when no indexed column changes and its page has room. So
-- no index may name what every step of a workflow writes: vm_state, task_state, updated_at, leases.
-- BRIN does not count against HOT (from PostgreSQL 16 on), and finds the pages changed since a time.
drop index servers_updated_idx;
create index servers_updated_idx on servers using brin (updated_at) with (pages_per_range = 4);

-- Filters by reservation are regular expressions; this was never used.
drop index servers_reservation_idx;

-- Usage is counted here and nowhere else: equal keys share an entry, so it is a few bytes a server.
create index servers_usage_idx on servers (project_id, vcpus, memory_mib) where deleted_at is null;
drop index servers_project_idx;
create index servers_project_idx on servers (project_id, created_at desc, uuid)
    where deleted_at is null;

-- Softly deleted: how many of a project's servers do not count, and which are due. Keyed on what is
-- written rarely: vm_state is looked at in the row, because a restored server stays in.
alter table servers add constraint servers_soft_deleted_check
    check (vm_state <> 'soft-delete' or system_metadata ? 'soft_deleted_at');
create index servers_soft_deleted_project_idx on servers (project_id)
    where system_metadata ? 'soft_deleted_at' and deleted_at is null;
create index servers_soft_deleted_idx
    on servers ((system_metadata ->> 'soft_deleted_at') collate "C")
    where system_metadata ? 'soft_deleted_at' and deleted_at is null;

-- What a project has: all its servers less the softly deleted ones. The former come from an index
-- alone, the latter are few.
create function usage_of(project text) returns table (instances bigint, cores bigint, ram bigint)
language sql stable rows 1 as $$
select every.instances - soft.instances, every.cores - soft.cores, every.ram - soft.ram
  from (select count(*) as instances, coalesce(sum(vcpus), 0) as cores,
               coalesce(sum(memory_mib), 0) as ram
          from servers where project_id = project and deleted_at is null) every,
       (select count(*) as instances, coalesce(sum(vcpus), 0) as cores,
               coalesce(sum(memory_mib), 0) as ram
          from servers where project_id = project and deleted_at is null
                         and system_metadata ? 'soft_deleted_at' and vm_state = 'soft-delete') soft
$$;

-- Shelved and still on a host.
create index servers_shelved_idx on servers ((system_metadata ->> 'shelved_at') collate "C")
    where system_metadata ? 'shelved_at' and host is not null and deleted_at is null;

-- What `muster db archive` takes, oldest first.
create index servers_deleted_idx on servers (deleted_at) where deleted_at is not null;

-- Resizes that wait for their confirmation.
create index migrations_finished_idx on migrations (server_uuid)
    where status = 'finished' and migration_type in ('resize', 'migration');

-- Leases are written all the time and looked for once a second, in a table of what is in progress:
-- the sweep walks it by id.
drop index workflows_lease_idx;

-- Room for the next version of a row beside the present one. A table that is there already is not
-- rewritten: pages fill up to this from now on.
alter table servers set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02,
                         autovacuum_vacuum_insert_scale_factor = 0.02);
alter table workflows set (fillfactor = 70);
alter table services set (fillfactor = 50);
alter table compute_nodes set (fillfactor = 50);

-- What `muster db archive` has moved away: whole rows, so that no later migration has to know them.
create table archived_servers (
    uuid        uuid primary key,
    project_id  text not null,
    deleted_at  timestamptz not null,
    archived_at timestamptz not null default clock_timestamp(),
    row         jsonb not null
);
create table archived_instance_actions (
    id          bigint primary key,
    server_uuid uuid not null,
    archived_at timestamptz not null default clock_timestamp(),
    row         jsonb not null                   -- with its "events"
);
create table archived_migrations (
    id          bigint primary key,
    server_uuid uuid not null,
    archived_at timestamptz not null default clock_timestamp(),
    row         jsonb not null
);

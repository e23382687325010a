-- The whole schema as the migrations leave it. A test builds one database from this file and one
-- from the migrations and compares them.

-- Flavors -----------------------------------------------------------------------------------
create table flavors (
    id            bigint generated always as identity primary key,
    flavorid      text not null,                -- the id users see
    name          text not null,
    description   text,
    vcpus         integer not null check (vcpus > 0),
    memory_mib    integer not null check (memory_mib > 0),
    root_gib      integer not null check (root_gib >= 0),
    ephemeral_gib integer not null default 0 check (ephemeral_gib >= 0),
    swap_mib      integer not null default 0 check (swap_mib >= 0),
    rxtx_factor   double precision not null default 1.0,
    is_public     boolean not null default true,
    disabled      boolean not null default false,
    extra_specs   jsonb not null default '{}',
    created_at    timestamptz not null default now(),
    updated_at    timestamptz,
    constraint flavors_flavorid_key unique (flavorid),
    constraint flavors_name_key unique (name)
);

create table flavor_access (
    flavor_id  bigint not null references flavors (id) on delete cascade,
    project_id text not null,
    primary key (flavor_id, project_id)
);

-- Key pairs ---------------------------------------------------------------------------------
create table keypairs (
    id          bigint generated always as identity primary key,
    user_id     text not null,
    name        text not null,
    type        text not null default 'ssh' check (type in ('ssh', 'x509')),
    fingerprint text not null,
    public_key  text not null,
    created_at  timestamptz not null default now(),
    constraint keypairs_user_name_key unique (user_id, name)
);

-- Services and hosts ------------------------------------------------------------------------
create table services (
    id               bigint generated always as identity primary key,
    uuid             uuid not null unique,
    host             text not null,
    binary_name      text not null,             -- nova-compute, nova-conductor, nova-scheduler, ...
    disabled         boolean not null default false,
    disabled_reason  text,
    forced_down      boolean not null default false,
    last_seen_up     timestamptz,               -- written by reports only
    lease_expires_at timestamptz,               -- up until then, in observed time (see observer); null:
                                                -- not up; '-infinity': nor do its guests run (goodbye)
    host_id          text,                      -- identity kept in the host's own state directory
    epoch            text,                      -- which process life reports; other lives are ignored
                                                -- 'ended ...': it has said goodbye
    created_at       timestamptz not null default now(),
    updated_at       timestamptz,
    inventory        text,                      -- hash of the report last found settled; null: report
    constraint services_host_binary_key unique (host, binary_name)
) with (fillfactor = 50);

-- Heartbeats are judged only by time during which somebody was there to receive them. Conductors
-- move beat_at; while none does, observed time stands still and nobody goes down.
create table observer (
    only_row boolean primary key default true check (only_row),
    beat_at  timestamptz not null default now()
);
insert into observer default values;

create function observed_now() returns timestamptz language sql stable as
$$ select least(now(), beat_at + interval '1 second') from observer $$;

-- A host is judged in observed time; services that write their own row are judged by the clock.
create function is_fresh(service services) returns boolean language sql stable as
$$ select coalesce(service.lease_expires_at >=
                   case service.binary_name when 'nova-compute' then observed_now() else now() end,
                   false) $$;

create table compute_nodes (
    id                   bigint generated always as identity primary key,
    uuid                 uuid not null unique,
    host                 text not null unique,
    service_id           bigint not null references services (id) on delete cascade,
    hypervisor_hostname  text not null,
    hypervisor_type      text not null,
    hypervisor_version   integer not null,
    host_ip              text not null,
    cpu_info             jsonb not null default '{}',
    supported_instances  jsonb not null default '[]',
    uptime               text,
    vcpus                integer not null check (vcpus >= 0),
    memory_mib           integer not null check (memory_mib >= 0),
    disk_gib             integer not null check (disk_gib >= 0),
    reserved_vcpus       integer not null default 0,
    reserved_memory_mib  integer not null default 0,
    reserved_disk_gib    integer not null default 0,
    -- The ledger: always the sum over allocations of this host (kept by the claim statements).
    vcpus_used           integer not null default 0 check (vcpus_used >= 0),
    memory_mib_used      integer not null default 0 check (memory_mib_used >= 0),
    disk_gib_used        integer not null default 0 check (disk_gib_used >= 0),
    allocations_count    integer not null default 0 check (allocations_count >= 0),
    failed_builds        integer not null default 0,
    running_guests       integer not null default 0,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz,
    booted_at            timestamptz,           -- the uptime shown is derived from it; `uptime` is not written
    -- Here, where claims lock it and schedulers read it; null: the default zone.
    availability_zone    text check (availability_zone <> ''),
    constraint compute_nodes_host_zone_key unique (host, availability_zone)
) with (fillfactor = 50);

create table allocations (
    server_uuid uuid not null,
    host        text not null references compute_nodes (host) on delete restrict,
    purpose     text not null default 'server' check (purpose in ('server', 'migration')),
    vcpus       integer not null,
    memory_mib  integer not null,
    disk_gib    integer not null,
    created_at  timestamptz not null default now(),
    -- a resize on the same host holds two: the flavor it has and the flavor it goes to
    primary key (server_uuid, host, purpose)
);
create index allocations_host_idx on allocations (host);

-- Aggregates and groups ---------------------------------------------------------------------
create table aggregates (
    id                bigint generated always as identity primary key,
    uuid              uuid not null unique,
    name              text not null,
    availability_zone text not null default '',  -- '': none
    metadata          jsonb not null default '{}', -- without the zone
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz,
    constraint aggregates_name_key unique (name),
    constraint aggregates_zone_key unique (id, availability_zone)
);

-- A host may be in many aggregates, but all that have a zone have the host's.
create table aggregate_hosts (
    aggregate_id      bigint not null,
    node_id           bigint not null references compute_nodes (id) on delete cascade,
    host              text not null,
    availability_zone text not null,             -- its aggregate's
    zone              text generated always as (nullif(availability_zone, '')) stored,
    created_at        timestamptz not null default clock_timestamp(),
    primary key (aggregate_id, host),
    constraint aggregate_hosts_aggregate_fkey foreign key (aggregate_id, availability_zone)
        references aggregates (id, availability_zone) on update cascade,
    constraint aggregate_hosts_one_zone_fkey foreign key (host, zone)
        references compute_nodes (host, availability_zone) deferrable initially deferred
);
create index aggregate_hosts_host_idx on aggregate_hosts (host);
create index aggregate_hosts_node_idx on aggregate_hosts (node_id);

-- The members of a group are the servers whose server_group names it.
create table server_groups (
    id           bigint generated always as identity primary key,
    uuid         uuid not null unique,
    project_id   text not null,
    user_id      text not null,
    name         text not null,
    policy       text not null
                 check (policy in ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
    max_per_host integer check (max_per_host > 0), -- null: as the policy says
    created_at   timestamptz not null default clock_timestamp(),
    constraint server_groups_rule_check check (max_per_host is null or policy = 'anti-affinity')
);
create index server_groups_project_idx on server_groups (project_id, id);

-- Servers -----------------------------------------------------------------------------------
create table servers (
    uuid                uuid primary key,
    project_id          text not null,
    user_id             text not null,
    name                text not null,
    hostname            text not null,
    description         text,
    reservation_id      text not null,
    launch_index        integer not null default 0,
    -- state: set by requests by compare-and-set, then written by the commits of workflows only
    vm_state            text not null,
    task_state          text,
    power_state         integer not null default 0,
    generation          integer not null default 0,   -- of the guest that is this server; older ones are over
    last_generation     integer not null default 0,   -- highest ever given to a host for this server
    progress            integer not null default 0,
    -- place
    host                text,
    node                text,
    availability_zone        text,                    -- requested; shown until a host is known
    pinned_availability_zone text,
    -- what it is
    flavor              jsonb not null,               -- the flavor as it was at boot, with extra specs
    old_flavor          jsonb,                        -- held while a resize waits for its confirmation
    flavorid            text not null,
    vcpus               integer not null,
    memory_mib          integer not null,
    root_gib            integer not null,
    ephemeral_gib       integer not null,
    swap_mib            integer not null,
    image_ref           text,
    image_properties    jsonb not null default '{}',
    kernel_id           text not null default '',
    ramdisk_id          text not null default '',
    root_device_name    text,
    config_drive        text not null default '',
    auto_disk_config    boolean not null default false,
    key_name            text,
    key_data            text,
    user_data           text,
    metadata            jsonb not null default '{}',
    system_metadata     jsonb not null default '{}',
    tags                text[] not null default '{}',
    security_groups     jsonb not null default '[]',  -- names shown
    requested_networks  jsonb not null default '[]',  -- as asked: [{"uuid"|"port"|"fixed_ip"|"tag"}], "auto", "none"
    network_info        jsonb not null default '[]',  -- ports as the network service gave them
    access_ip_v4        text,
    access_ip_v6        text,
    scheduler_hints     jsonb not null default '{}',
    trusted_certs       jsonb,
    server_group        uuid,
    -- lock
    locked_by           text check (locked_by in ('owner', 'admin')),
    locked_reason       text,
    -- latest fault: {"code", "message", "details", "created"}
    fault               jsonb,
    created_at          timestamptz not null default clock_timestamp(),
    updated_at          timestamptz not null default clock_timestamp(),
    launched_at         timestamptz,
    terminated_at       timestamptz,
    guest_password      text,                         -- reported by the guest, encrypted with its user's key
    deleted_at          timestamptz,                  -- not null: the row is history
    constraint servers_soft_deleted_check
        check (vm_state <> 'soft-delete' or system_metadata ? 'soft_deleted_at')
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_vacuum_insert_scale_factor = 0.02);
-- An update is HOT (no index is touched) when no indexed column changes and its page has room. So no
-- index names what every step of a workflow writes: vm_state, task_state, updated_at. BRIN does not
-- count against HOT (from PostgreSQL 16 on), and finds the pages that were changed since a time.
create index servers_project_idx on servers (project_id, created_at desc, uuid)
    where deleted_at is null;
create index servers_created_idx on servers (created_at desc, uuid) where deleted_at is null;
create index servers_host_idx on servers (host) where deleted_at is null;
create index servers_updated_idx on servers using brin (updated_at) with (pages_per_range = 4);
-- Usage is counted here and nowhere else: equal keys share an entry, so it is a few bytes a server.
create index servers_usage_idx on servers (project_id, vcpus, memory_mib) where deleted_at is null;
-- Softly deleted: how many of a project's servers do not count, and which are due. Keyed on what is
-- written rarely: vm_state is looked at in the row, because a restored server stays in.
create index servers_soft_deleted_project_idx on servers (project_id)
    where system_metadata ? 'soft_deleted_at' and deleted_at is null;
create index servers_soft_deleted_idx
    on servers ((system_metadata ->> 'soft_deleted_at') collate "C")
    where system_metadata ? 'soft_deleted_at' and deleted_at is null;
-- Shelved and still on a host.
create index servers_shelved_idx on servers ((system_metadata ->> 'shelved_at') collate "C")
    where system_metadata ? 'shelved_at' and host is not null and deleted_at is null;
-- What `muster db archive` takes, oldest first.
create index servers_deleted_idx on servers (deleted_at) where deleted_at is not null;
-- The same of one project: what it has used up in a time.
create index servers_deleted_project_idx on servers (project_id, deleted_at)
    where deleted_at is not null;
-- Resizes that wait for their confirmation may go back.
create index servers_resized_idx on servers (project_id)
    where old_flavor is not null and deleted_at is null;

-- Members of groups.
create index servers_group_idx on servers (server_group)
    where server_group is not null and deleted_at is null;


-- Whether a group lets a server of it claim a host, as is true now and not when the statement that
-- asks began: a volatile function looks anew each time. Whoever asks holds the group's row, so that
-- nobody else of the group claims meanwhile. A move holds two claims, and both count.
create function group_allows(asked server_groups, candidate text, claimant uuid) returns boolean
language plpgsql volatile as $$
begin
    if asked.policy = 'anti-affinity' then
        return (select count(distinct a.server_uuid) < coalesce(asked.max_per_host, 1)
                  from servers s join allocations a on a.server_uuid = s.uuid
                 where s.server_group = asked.uuid and s.deleted_at is null
                   and s.uuid <> claimant and a.host = candidate);
    elsif asked.policy = 'affinity' then
        return not exists (select from servers s join allocations a on a.server_uuid = s.uuid
                            where s.server_group = asked.uuid and s.deleted_at is null
                              and s.uuid <> claimant and a.host <> candidate);
    end if;
    return true;
end $$;

-- Disks of servers, beside the one that is made of the image: volumes, and local disks that were
-- asked for one by one. The rows go when their server is deleted.
create table block_devices (
    uuid                  uuid primary key,
    server_uuid           uuid not null,
    position              integer not null,          -- in the order in which they were asked for
    source_type           text not null check (source_type in ('blank', 'image', 'snapshot', 'volume')),
    destination_type      text not null check (destination_type in ('local', 'volume')),
    boot_index            integer,                   -- 0: the root disk; null: not booted from
    device_name           text,                      -- /dev/vdb
    volume_id             text,                      -- null until it is made
    attachment_id         text,                      -- the one that is the server's; others are over
    image_id              text,
    snapshot_id           text,
    size                  integer,                   -- GiB; of swap, MiB
    volume_type           text,
    guest_format          text,                      -- 'swap', or the file system of an ephemeral disk
    disk_bus              text,
    device_type           text,
    tag                   text,
    delete_on_termination boolean not null default false,
    created_at            timestamptz not null default clock_timestamp(),
    constraint block_devices_volume_key unique (server_uuid, volume_id)
);
create index block_devices_volume_idx on block_devices (volume_id) where volume_id is not null;

-- Instance actions --------------------------------------------------------------------------
create table instance_actions (
    id          bigint generated always as identity primary key,
    server_uuid uuid not null,
    action      text not null,
    request_id  text not null,
    user_id     text,
    project_id  text,
    start_time  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz,
    finish_time timestamptz,
    message     text,
    constraint instance_actions_server_request_key unique (server_uuid, request_id),
    outcome     jsonb                            -- for a request that waits: {"port_id"} or {"error": {"code", "message"}}
);

create table instance_action_events (
    id          bigint generated always as identity primary key,
    action_id   bigint not null references instance_actions (id) on delete cascade,
    event       text not null,
    host        text,
    start_time  timestamptz not null default clock_timestamp(),
    finish_time timestamptz,
    result      text check (result in ('Success', 'Error')),
    details     text,
    traceback   text
);
create index instance_action_events_action_idx on instance_action_events (action_id);

-- Workflows ---------------------------------------------------------------------------------
-- One row per change in progress; gone when it has ended. The oldest row of a server runs, the
-- others wait. Any conductor may take a row whose lease has expired.
create table workflows (
    id               bigint generated always as identity primary key,
    kind             text not null,              -- build, delete, start, ...: file name in conductor/workflows
    server_uuid      uuid not null,
    request_id       text not null,
    action_id        bigint,
    state            jsonb not null default '{}', -- input and the outputs of finished steps
    step             integer not null default 0, -- next step to do (or, unwinding, to undo)
    attempt          integer not null default 0, -- how often it has gone another way (another host)
    unwinding        boolean not null default false,
    error            jsonb,                      -- why it unwinds: {"code", "message"}
    cancel_requested boolean not null default false,
    lease_owner      text,
    lease_epoch      integer not null default 0, -- a writer with an older epoch has lost the row
    lease_expires_at timestamptz not null default '-infinity',
    wake_at          timestamptz not null default '-infinity', -- do not take before (waiting on purpose)
    deadline_at      timestamptz not null,       -- then it fails and unwinds, whoever it waits for
    created_at       timestamptz not null default clock_timestamp()
) with (fillfactor = 70);
create index workflows_server_idx on workflows (server_uuid, id);
-- What resizes that run may add to a project's use.
create index workflows_resizes_idx on workflows (server_uuid) where kind = 'resize';
-- No index of leases: they are written all the time and looked for once a second. The sweep walks by id.

-- What a workflow could not clean up. A reconciler works the rows off; people can list them.
create table leftovers (
    id          bigint generated always as identity primary key,
    server_uuid uuid not null,
    kind        text not null check (kind in ('ports', 'image', 'guest', 'attachments', 'volume', 'snapshot', 'interface')),
    detail      jsonb not null default '{}',     -- what is left: see the workflows that write it; interface: {"port_id"}
    reason      text not null,                   -- why the latest attempt failed
    request_id  text,                            -- of the action that left it
    attempts    integer not null default 0,      -- of the reconciler
    created_at  timestamptz not null default clock_timestamp(),
    due_at      timestamptz not null default clock_timestamp(),
    constraint leftovers_what_key unique (server_uuid, kind, detail)
);
create index leftovers_due_idx on leftovers (due_at);

-- Whose turn it is with what is looked at page by page: one page at a time, whichever conductor.
create table reconciler_turns (
    name     text primary key,
    position text,                               -- the last one looked at; null: begin anew
    due_at   timestamptz not null                -- of the next page
);

-- Migrations --------------------------------------------------------------------------------
create table migrations (
    id                bigint generated always as identity primary key,
    uuid              uuid not null unique,
    server_uuid       uuid not null,
    migration_type    text not null check (migration_type in ('evacuation', 'live-migration', 'migration', 'resize')),
    status            text not null,
    source_compute    text,
    source_node       text,
    source_generation integer,                   -- generation of the guest left behind
    dest_compute      text,
    dest_node         text,
    dest_host         text,
    old_flavor_id     bigint,
    new_flavor_id     bigint,
    user_id           text,
    project_id        text,
    hidden            boolean not null default false,
    details           jsonb not null default '{}', -- live migration progress
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz
);
create index migrations_server_idx on migrations (server_uuid);
create index migrations_source_idx on migrations (source_compute, status);
-- Resizes that wait for their confirmation.
create index migrations_finished_idx on migrations (server_uuid)
    where status = 'finished' and migration_type in ('resize', 'migration');

-- Quotas ------------------------------------------------------------------------------------
-- Usage is counted from servers under this row's lock, so there is no ledger that could drift.
create table quota_projects (
    project_id text primary key,
    limits     jsonb not null default '{}'       -- overrides of the configured defaults
);

-- What a project has: all its servers less the softly deleted ones, and what resizes that run or wait
-- for their confirmation may still need: the larger of both flavors counts. All servers come from an
-- index alone, the others are few.
create function usage_of(project text) returns table (instances bigint, cores bigint, ram bigint)
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

-- Consoles ----------------------------------------------------------------------------------
-- A token is good for the guest it was made for: the same server, on the same host, in the same
-- generation. Whether that still is so is asked when it is used, so that nothing that ends a guest
-- has to know of tokens.
create table console_tokens (
    token_sha256 bytea primary key,              -- the token itself is known to its user only
    server_uuid  uuid not null,
    host         text not null,
    generation   integer not null,
    console_type text not null,                  -- novnc, spice-html5, spice-direct, serial
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null
);
create index console_tokens_expires_idx on console_tokens (expires_at);

-- Shares ------------------------------------------------------------------------------------
create table server_shares (
    uuid            uuid primary key,
    server_uuid     uuid not null references servers (uuid) on delete cascade,
    share_id        uuid not null,
    tag             text not null,               -- by which the guest mounts it
    export_location text not null,
    status          text not null
                    check (status in ('attaching', 'inactive', 'active', 'detaching', 'error')),
    created_at      timestamptz not null default clock_timestamp(),
    constraint server_shares_server_share_key unique (server_uuid, share_id),
    constraint server_shares_server_tag_key unique (server_uuid, tag)
);

-- Archive -----------------------------------------------------------------------------------
-- What `muster db archive` has moved away: whole rows, so that no later migration has to know them.
create table archived_servers (
    uuid        uuid primary key,
    project_id  text not null,
    deleted_at  timestamptz not null,
    archived_at timestamptz not null default clock_timestamp(),
    row         jsonb not null
);
create index archived_servers_project_idx on archived_servers (project_id, deleted_at);
create index archived_servers_deleted_idx on archived_servers (deleted_at);
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

-- Usage -------------------------------------------------------------------------------------
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

-- Expand: aggregates, availability zones of hosts, server groups.

-- A host's zone is here, where claims lock it and schedulers read it; null: the default zone.
alter table compute_nodes add column availability_zone text check (availability_zone <> '');
alter table compute_nodes
    add constraint compute_nodes_host_zone_key unique (host, availability_zone);

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

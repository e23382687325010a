-- name: hosts(default_zone, cpu_ratio, ram_ratio, disk_ratio, promised_servers, promised_hosts, busy_kinds)^
-- All hosts in one row, a column each: ten thousand hosts cost one message and no row objects.
-- Observed time is read once, not once a host. What few hosts have is told by the hosts' ids: numbers
-- are cheaper to read than names. An operation counts wherever its server has a claim.
-- A claim and its host's ledger are written by one statement, so this one sees both or neither: of
-- the promised servers, those in claimed are counted in the ledgers beside them.
select every.*, aggregated.*,
       (select coalesce(array_agg(a.server_uuid), '{}')
          from unnest(:promised_servers::uuid[], :promised_hosts::text[]) as p (server_uuid, host)
          join allocations a using (server_uuid, host)) as claimed,
       (select coalesce(array_agg(n.id), '{}')
          from workflows w join allocations a using (server_uuid) join compute_nodes n using (host)
         where w.kind = any(:busy_kinds::text[])) as busy,
       (select coalesce(jsonb_object_agg(id, metadata || case availability_zone when '' then '{}'
                            else jsonb_build_object('availability_zone', availability_zone) end),
                        '{}')
          from aggregates) as aggregates
  from (select coalesce(array_agg(h.id), '{}') as ids,
               coalesce(array_agg(h.host), '{}') as names,
               coalesce(array_agg(h.node), '{}') as nodes,
               coalesce(array_agg(h.zone), '{}') as zones,
               coalesce(array_agg(h.enabled), '{}') as enabled,
               coalesce(array_agg(h.alive), '{}') as alive,
               coalesce(array_agg(h.vcpus), '{}') as vcpus,
               coalesce(array_agg(h.memory_mib), '{}') as memory_mib,
               coalesce(array_agg(h.disk_gib), '{}') as disk_gib,
               coalesce(array_agg(h.usable_vcpus), '{}') as usable_vcpus,
               coalesce(array_agg(h.usable_memory_mib), '{}') as usable_memory_mib,
               coalesce(array_agg(h.usable_disk_gib), '{}') as usable_disk_gib,
               coalesce(array_agg(h.vcpus_used), '{}') as vcpus_used,
               coalesce(array_agg(h.memory_mib_used), '{}') as memory_mib_used,
               coalesce(array_agg(h.disk_gib_used), '{}') as disk_gib_used,
               coalesce(array_agg(h.allocations_count), '{}') as allocations,
               coalesce(array_agg(h.failed_builds), '{}') as failed_builds,
               coalesce(array_agg(h.hypervisor_version), '{}') as hypervisor_versions
          from (select n.id, n.host, n.hypervisor_hostname as node,
                       coalesce(n.availability_zone, :default_zone::text) as zone,
                       not s.disabled as enabled,
                       not s.forced_down
                       and coalesce(s.lease_expires_at >= (select observed_now()), false) as alive,
                       n.vcpus, n.memory_mib, n.disk_gib,
                       (n.vcpus - n.reserved_vcpus) * :cpu_ratio::double precision as usable_vcpus,
                       (n.memory_mib - n.reserved_memory_mib) * :ram_ratio::double precision
                           as usable_memory_mib,
                       (n.disk_gib - n.reserved_disk_gib) * :disk_ratio::double precision
                           as usable_disk_gib,
                       n.vcpus_used, n.memory_mib_used, n.disk_gib_used, n.allocations_count,
                       n.failed_builds, n.hypervisor_version
                  from compute_nodes n join services s on s.id = n.service_id) h) every,
       (select coalesce(array_agg(aggregate_id), '{}') as memberships,
               coalesce(array_agg(node_id), '{}') as members
          from aggregate_hosts) aggregated;

-- name: facts()
-- What few questions are about, and what seldom changes.
select host, host_ip, hypervisor_type, hypervisor_version, cpu_info::text as cpu_info,
       supported_instances::text as supported_instances
  from compute_nodes;

-- name: hosts_of(server_uuids)
-- Where these servers are, or are about to be.
select s.host from servers s
 where s.uuid = any(:server_uuids::uuid[]) and s.host is not null and s.deleted_at is null
union
select a.host from allocations a
 where a.server_uuid = any(:server_uuids::uuid[]) and a.purpose = 'server';

-- name: hypervisors(after_id, pattern, count)
-- A node whose service record is gone does not exist for operators.
select n.*, s.id as service_number, s.uuid as service_uuid, s.disabled, s.disabled_reason,
       is_fresh(s) and not s.forced_down as up,
       load.servers, load.current_workload
  from compute_nodes n join services s on s.id = n.service_id, load_of(n.host) load
 where n.id > :after_id::bigint
   and (:pattern::text is null or position(:pattern::text in n.hypervisor_hostname) > 0)
 order by n.id limit :count;

-- name: hypervisor_by_uuid(uuid)^
select n.*, s.id as service_number, s.uuid as service_uuid, s.disabled, s.disabled_reason,
       is_fresh(s) and not s.forced_down as up,
       load.servers, load.current_workload
  from compute_nodes n join services s on s.id = n.service_id, load_of(n.host) load
 where n.uuid = :uuid;

-- name: hypervisor_by_id(id)^
select n.*, s.id as service_number, s.uuid as service_uuid, s.disabled, s.disabled_reason,
       is_fresh(s) and not s.forced_down as up,
       load.servers, load.current_workload
  from compute_nodes n join services s on s.id = n.service_id, load_of(n.host) load
 where n.id = :id;

-- name: statistics()^
-- Over the hosts that take servers: disabled ones do not count.
select count(*)::integer as count,
       coalesce(sum(n.vcpus), 0)::bigint as vcpus,
       coalesce(sum(n.vcpus_used), 0)::bigint as vcpus_used,
       coalesce(sum(n.memory_mib), 0)::bigint as memory_mib,
       coalesce(sum(n.memory_mib_used + n.reserved_memory_mib), 0)::bigint as memory_mib_used,
       coalesce(sum(n.disk_gib), 0)::bigint as disk_gib,
       coalesce(sum(n.disk_gib_used + n.reserved_disk_gib), 0)::bigint as disk_gib_used,
       coalesce(sum(load.servers), 0)::bigint as servers,
       coalesce(sum(load.current_workload), 0)::bigint as current_workload
  from compute_nodes n join services s on s.id = n.service_id
  left join (select host, count(*) as servers, count(task_state) as current_workload
               from servers where deleted_at is null group by host) load on load.host = n.host
 where not s.disabled;

-- name: servers_on(hosts)
select host, uuid, name from servers
 where host = any(:hosts::text[]) and deleted_at is null
 order by created_at, uuid;

-- name: hypervisor_by_host(host)^
select n.*, s.id as service_number, s.uuid as service_uuid, s.disabled, s.disabled_reason,
       is_fresh(s) and not s.forced_down as up,
       load.servers, load.current_workload
  from compute_nodes n join services s on s.id = n.service_id, load_of(n.host) load
 where n.host = :host;

-- name: used_by_projects(host)
select v.project_id, sum(a.vcpus)::bigint as vcpus, sum(a.memory_mib)::bigint as memory_mib,
       sum(a.disk_gib)::bigint as disk_gib
  from allocations a join servers v on v.uuid = a.server_uuid
 where a.host = :host group by 1 order by 1;

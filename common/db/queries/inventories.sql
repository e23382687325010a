-- name: providers(uuid, aggregates)
-- Each host with its ledger. The row's transaction is its generation: it changes with every write.
select n.uuid, n.hypervisor_hostname as name, n.xmin::text::bigint as generation,
       n.vcpus, n.memory_mib, n.disk_gib, n.reserved_vcpus, n.reserved_memory_mib,
       n.reserved_disk_gib, n.vcpus_used, n.memory_mib_used, n.disk_gib_used,
       s.disabled, n.cpu_info ->> 'arch' as arch,
       coalesce(n.updated_at, n.created_at) as changed_at,
       coalesce((select array_agg(a.uuid order by a.id)
                   from aggregate_hosts h join aggregates a on a.id = h.aggregate_id
                  where h.node_id = n.id), '{}') as aggregates
  from compute_nodes n join services s on s.id = n.service_id
 where (:uuid::uuid is null or n.uuid = :uuid)
   and (:aggregates::uuid[] is null
        or exists (select from aggregate_hosts h join aggregates a on a.id = h.aggregate_id
                    where h.node_id = n.id and a.uuid = any(:aggregates::uuid[])))
 order by n.id;

-- name: claims_on(host_uuid)
-- A resize in place holds two; a consumer is one.
select a.server_uuid as consumer, sum(a.vcpus)::bigint as vcpus,
       sum(a.memory_mib)::bigint as memory_mib, sum(a.disk_gib)::bigint as disk_gib
  from allocations a join compute_nodes n using (host)
 where n.uuid = :host_uuid group by 1 order by 1;

-- name: claims_of(server_uuid)
select n.uuid as provider, n.xmin::text::bigint as generation, s.project_id, s.user_id,
       s.generation as consumer_generation, sum(a.vcpus)::bigint as vcpus,
       sum(a.memory_mib)::bigint as memory_mib, sum(a.disk_gib)::bigint as disk_gib
  from allocations a join compute_nodes n using (host) join servers s on s.uuid = a.server_uuid
 where a.server_uuid = :server_uuid
 group by n.id, n.xmin, s.uuid order by n.id;

-- name: claims_of_project(project_id, user_id)^
select count(distinct a.server_uuid) as consumers, coalesce(sum(a.vcpus), 0)::bigint as vcpus,
       coalesce(sum(a.memory_mib), 0)::bigint as memory_mib,
       coalesce(sum(a.disk_gib), 0)::bigint as disk_gib
  from allocations a join servers s on s.uuid = a.server_uuid
 where s.project_id = :project_id and (:user_id::text is null or s.user_id = :user_id);

-- name: ledger_errors()
-- Hosts whose ledger is not the sum of their allocations. One statement, one snapshot: claims in
-- progress are seen whole or not at all.
select n.host, n.vcpus_used, n.memory_mib_used, n.disk_gib_used, n.allocations_count,
       coalesce(a.vcpus, 0) as vcpus_claimed,
       coalesce(a.memory_mib, 0) as memory_mib_claimed,
       coalesce(a.disk_gib, 0) as disk_gib_claimed,
       coalesce(a.claims, 0) as claims
  from compute_nodes n
  left join (select host, sum(vcpus) as vcpus, sum(memory_mib) as memory_mib,
                    sum(disk_gib) as disk_gib, count(*) as claims
               from allocations group by host) a using (host)
 where (n.vcpus_used, n.memory_mib_used, n.disk_gib_used, n.allocations_count)
       is distinct from (coalesce(a.vcpus, 0), coalesce(a.memory_mib, 0),
                         coalesce(a.disk_gib, 0), coalesce(a.claims, 0))
 order by n.host;

-- name: still_wanted(server_uuid, workflow_id)$
-- Lock what the claim is for, until the claim is committed: claims of one server come one after
-- the other, and none comes after its workflow has ended or begun to unwind. Without a workflow
-- it is the server that must not be deleted. Locks one row, never both.
with workflow as (
    select true from workflows w
     where w.id = :workflow_id::bigint and w.server_uuid = :server_uuid and not w.unwinding
       for no key update
), server as (
    select true from servers s
     where :workflow_id::bigint is null and s.uuid = :server_uuid and s.deleted_at is null
       for no key update
)
select (select count(*) from workflow) + (select count(*) from server) > 0;

-- name: claim(server_uuid, host, purpose, vcpus, memory_mib, disk_gib, cpu_ratio, ram_ratio, disk_ratio, forced, exclude_hosts, only_host)^
-- The host on which the server holds this claim now (null when the host refuses it), and whether
-- it has been made just now.
--   standing    a claim that an earlier, unanswered request made: it is the answer
--   node        locks the host and judges it in its newest version, whoever else is claiming
--   allocation  the unique key decides, not the snapshot: inserted or already there
--   ledger      counts what was inserted, and only that
-- Each part feeds on the one before, which fixes the order; nothing else in a WITH does.
with standing as (
    select a.host from allocations a
     where a.server_uuid = :server_uuid and a.purpose = :purpose
       and not a.host = any(:exclude_hosts::text[])
       and (:only_host::text is null or a.host = :only_host)
     order by a.created_at, a.host
     limit 1
), node as (
    select n.host
      from compute_nodes n join services s on s.id = n.service_id
     where n.host = :host
       and not exists (select from standing)
       and (:forced::boolean
            or (not s.disabled and not s.forced_down
                and s.lease_expires_at >= (select observed_now())))
       and (:vcpus::integer = 0
            or (:vcpus <= n.vcpus
                and n.vcpus_used + :vcpus
                    <= (n.vcpus - n.reserved_vcpus) * :cpu_ratio::double precision))
       and (:memory_mib::integer = 0
            or (:memory_mib <= n.memory_mib
                and n.memory_mib_used + :memory_mib
                    <= (n.memory_mib - n.reserved_memory_mib) * :ram_ratio::double precision))
       and (:disk_gib::integer = 0
            or (:disk_gib <= n.disk_gib
                and n.disk_gib_used + :disk_gib
                    <= (n.disk_gib - n.reserved_disk_gib) * :disk_ratio::double precision))
       for no key update of n
), allocation as (
    insert into allocations (server_uuid, host, purpose, vcpus, memory_mib, disk_gib)
    select :server_uuid, node.host, :purpose, :vcpus, :memory_mib, :disk_gib from node
    on conflict do nothing
    returning host, vcpus, memory_mib, disk_gib
), ledger as (
    update compute_nodes n
       set vcpus_used = n.vcpus_used + a.vcpus,
           memory_mib_used = n.memory_mib_used + a.memory_mib,
           disk_gib_used = n.disk_gib_used + a.disk_gib,
           allocations_count = n.allocations_count + 1
      from allocation a
     where n.host = a.host
)
select coalesce((select host from standing), (select host from node)) as host,
       exists (select from allocation) as is_new;

-- name: standing(server_uuid, purpose, exclude_hosts, only_host)$
-- The host on which the server already holds such a claim.
select a.host from allocations a
 where a.server_uuid = :server_uuid and a.purpose = :purpose
   and not a.host = any(:exclude_hosts::text[])
   and (:only_host::text is null or a.host = :only_host)
 order by a.created_at, a.host
 limit 1;

-- name: release(server_uuid, host, purpose, keep_host)$
-- Who deletes the row gives back what it says; hosts are locked in the order of their names.
with gone as (
    delete from allocations a
     where a.server_uuid = :server_uuid
       and (:host::text is null or a.host = :host)
       and (:purpose::text is null or a.purpose = :purpose)
       and (:keep_host::text is null or a.host <> :keep_host)
    returning a.host, a.vcpus, a.memory_mib, a.disk_gib
), freed as (
    select host, sum(vcpus) as vcpus, sum(memory_mib) as memory_mib, sum(disk_gib) as disk_gib,
           count(*) as claims
      from gone group by host
), locked as materialized (
    select n.host from compute_nodes n
     where n.host in (select host from freed)
     order by n.host
       for no key update
), ledger as (
    update compute_nodes n
       set vcpus_used = n.vcpus_used - f.vcpus,
           memory_mib_used = n.memory_mib_used - f.memory_mib,
           disk_gib_used = n.disk_gib_used - f.disk_gib,
           allocations_count = n.allocations_count - f.claims
      from freed f join locked using (host)
     where n.host = f.host
)
select count(*) from gone;

-- name: promote(server_uuid, host)$
-- The move has ended well: the claim it made becomes the server's, the others are given back.
-- Without such a claim nothing happens, so it may be repeated. The deletion comes first: on a
-- resize in place the old claim has the key that the new one takes.
with moved as (
    select a.server_uuid, a.host from allocations a
     where a.server_uuid = :server_uuid and a.host = :host and a.purpose = 'migration'
       for update
), gone as (
    delete from allocations a using moved
     where a.server_uuid = moved.server_uuid and a.purpose = 'server'
    returning a.host, a.vcpus, a.memory_mib, a.disk_gib
), freed as (
    select host, sum(vcpus) as vcpus, sum(memory_mib) as memory_mib, sum(disk_gib) as disk_gib,
           count(*) as claims
      from gone group by host
), renamed as (
    update allocations a set purpose = 'server'
      from moved, (select count(*) from freed) as after_the_deletion
     where a.server_uuid = moved.server_uuid and a.host = moved.host and a.purpose = 'migration'
    returning a.host
), locked as materialized (
    select n.host from compute_nodes n
     where n.host in (select host from freed)
     order by n.host
       for no key update
), ledger as (
    update compute_nodes n
       set vcpus_used = n.vcpus_used - f.vcpus,
           memory_mib_used = n.memory_mib_used - f.memory_mib,
           disk_gib_used = n.disk_gib_used - f.disk_gib,
           allocations_count = n.allocations_count - f.claims
      from freed f join locked using (host)
     where n.host = f.host
)
select count(*) from renamed;

-- name: claims_of(server_uuid)
select server_uuid, host, purpose, vcpus, memory_mib, disk_gib from allocations
 where server_uuid = :server_uuid
 order by created_at, host, purpose;

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

-- name: report_self(host, binary_name, down_time_s)!
-- A service with database access writes its own row.
insert into services (uuid, host, binary_name, last_seen_up, lease_expires_at)
values (gen_random_uuid(), :host, :binary_name, now(), now() + make_interval(secs => :down_time_s))
on conflict (host, binary_name) do update
   set last_seen_up = now(), lease_expires_at = now() + make_interval(secs => :down_time_s);

-- name: say_goodbye(host, binary_name)!
update services set lease_expires_at = '-infinity'
 where host = :host and binary_name = :binary_name;

-- name: host_goodbye(host, epoch)!
-- Only the registered life of an agent may declare its host down.
update services set lease_expires_at = '-infinity'
 where host = :host and binary_name = 'nova-compute' and epoch = :epoch;

-- name: lock_observer()$
-- Seconds since any conductor last looked.
select extract(epoch from now() - beat_at)::double precision from observer for update;

-- name: beat()!
update observer set beat_at = now();

-- name: extend_leases(gap_s, down_time_s)!
-- Nobody was there to receive heartbeats for this long: whoever was alive then is given it back,
-- and who has registered since (before the first beat) no more than a whole lease.
update services s
   set lease_expires_at = least(s.lease_expires_at + make_interval(secs => :gap_s),
                                now() + make_interval(secs => :down_time_s))
  from observer o
 where s.binary_name = 'nova-compute'
   and s.lease_expires_at >= o.beat_at
   and s.lease_expires_at <> 'infinity';

-- name: record_heartbeats(hosts, epochs, ages_s, uptimes, running_guests, down_time_s)!
-- One statement for all hosts. The age is how long ago this conductor received the heartbeat.
with beats as (
    select * from unnest(:hosts::text[], :epochs::text[], :ages_s::double precision[],
                         :uptimes::text[], :running_guests::integer[])
           as b (host, epoch, age_s, uptime, running_guests)
), seen as (
    update services s
       set last_seen_up = greatest(s.last_seen_up, now() - make_interval(secs => b.age_s)),
           lease_expires_at = greatest(
               s.lease_expires_at, now() + make_interval(secs => :down_time_s - b.age_s))
      from beats b
     where s.host = b.host and s.binary_name = 'nova-compute' and s.epoch = b.epoch
    returning s.host
), locked as (
    -- One order of row locks for everybody; claims and releases take hosts by name as well.
    select n.host from compute_nodes n join beats b on b.host = n.host join seen on seen.host = n.host
     where (n.uptime, n.running_guests) is distinct from (b.uptime, b.running_guests)
     order by n.host for update of n
)
update compute_nodes n
   set uptime = b.uptime, running_guests = b.running_guests
  from beats b, locked
 where n.host = b.host and locked.host = b.host;

-- name: lock_host(host)^
-- Who reports for this host, and whether it may still be alive.
select s.host_id, s.epoch, is_fresh(s) as fresh
  from services s
 where s.host = :host and s.binary_name = 'nova-compute'
   for update;

-- name: register_host(host, host_id, epoch, down_time_s)$
insert into services (uuid, host, binary_name, host_id, epoch, last_seen_up, lease_expires_at)
values (gen_random_uuid(), :host, 'nova-compute', :host_id, :epoch, now(),
        now() + make_interval(secs => :down_time_s))
on conflict (host, binary_name) do update
   set host_id = excluded.host_id, epoch = excluded.epoch,
       last_seen_up = now(), lease_expires_at = excluded.lease_expires_at
returning id;

-- name: upsert_compute_node(service_id, host, resources)!
insert into compute_nodes as n (
    uuid, host, service_id, hypervisor_hostname, hypervisor_type, hypervisor_version, host_ip,
    cpu_info, supported_instances, uptime, vcpus, memory_mib, disk_gib,
    reserved_vcpus, reserved_memory_mib, reserved_disk_gib, running_guests)
select gen_random_uuid(), :host, :service_id, r.hypervisor_hostname, r.hypervisor_type,
       r.hypervisor_version, r.host_ip, r.cpu_info, r.supported_instances, r.uptime, r.vcpus,
       r.memory_mib, r.disk_gib, r.reserved_vcpus, r.reserved_memory_mib, r.reserved_disk_gib,
       r.running_guests
  from jsonb_populate_record(null::compute_nodes, :resources) r
on conflict (host) do update
   set service_id = excluded.service_id,
       hypervisor_hostname = excluded.hypervisor_hostname,
       hypervisor_type = excluded.hypervisor_type,
       hypervisor_version = excluded.hypervisor_version,
       host_ip = excluded.host_ip,
       cpu_info = excluded.cpu_info,
       supported_instances = excluded.supported_instances,
       uptime = excluded.uptime,
       vcpus = excluded.vcpus,
       memory_mib = excluded.memory_mib,
       disk_gib = excluded.disk_gib,
       reserved_vcpus = excluded.reserved_vcpus,
       reserved_memory_mib = excluded.reserved_memory_mib,
       reserved_disk_gib = excluded.reserved_disk_gib,
       running_guests = excluded.running_guests,
       updated_at = now();

-- name: host_exists(host)$
select exists (select from services where host = :host and binary_name = 'nova-compute');

-- name: host_is_up(host)$
select exists (
    select 1 from services s
     where s.host = :host and s.binary_name = 'nova-compute'
       and not s.forced_down and is_fresh(s));

-- name: host_standing(host)$
-- Fenced: declared down, or said goodbye when its guests had stopped. Silence is neither.
select case when s.forced_down or s.lease_expires_at = '-infinity' then 'fenced'
            when is_fresh(s) then 'up'
            else 'silent' end
  from services s
 where s.host = :host and s.binary_name = 'nova-compute';

-- name: host_reports(host)$
-- Whether heartbeats come, whatever operators have declared.
select exists (
    select 1 from services s
     where s.host = :host and s.binary_name = 'nova-compute' and is_fresh(s));

-- name: guests_truth(host, uuids)
-- What the truth says about guests a host has: the server, and the moves that touch this host.
select s.uuid, s.host, s.generation, s.last_generation, s.deleted_at is not null as deleted,
       s.vm_state, s.task_state, s.power_state,
       (select min(w.id) from workflows w where w.server_uuid = s.uuid) as workflow_id,
       coalesce((select array_agg(m.migration_type || ':' ||
                                  case when m.source_compute = :host then 'source' else 'dest' end)
                   from migrations m
                  where m.server_uuid = s.uuid
                    and (m.source_compute = :host or m.dest_compute = :host)
                    and m.status in ('accepted', 'queued', 'preparing', 'running', 'pre-migrating',
                                     'migrating', 'post-migrating', 'finished', 'confirming',
                                     'reverting')),
                '{}') as moves,
       coalesce((select array_agg(m.source_generation)
                   from migrations m
                  where m.server_uuid = s.uuid and m.source_compute = :host
                    and m.status in ('migrating', 'post-migrating', 'finished', 'confirming',
                                     'reverting', 'preparing', 'running')),
                '{}') as kept_generations
  from servers s
 where s.uuid = any(:uuids::uuid[]);

-- name: complete_evacuations(host, still_there)
-- The host has come back and no longer has the guests that were evacuated from it.
update migrations m set status = 'completed', updated_at = clock_timestamp()
 where m.source_compute = :host and m.migration_type = 'evacuation' and m.status = 'done'
   and not m.server_uuid = any(:still_there::uuid[])
returning m.server_uuid;

-- name: record_power_states(host, uuids, generations, power_states, wrong_vm_states, wrong_power_states)
-- Only for servers with nothing in progress: workflows write the rest. Returns those whose states
-- are one of the wrong pairs.
with idle as (
    select s.uuid, s.vm_state, s.power_state as recorded, g.power_state
      from servers s
      join unnest(:uuids::uuid[], :generations::integer[], :power_states::integer[])
           as g (uuid, generation, power_state) on g.uuid = s.uuid and g.generation = s.generation
     where s.host = :host and s.task_state is null and s.deleted_at is null
), written as (
    update servers s set power_state = idle.power_state
      from idle
     where s.uuid = idle.uuid and s.task_state is null and idle.recorded <> idle.power_state
)
select idle.uuid, idle.vm_state, idle.power_state
  from idle
  join unnest(:wrong_vm_states::text[], :wrong_power_states::integer[])
       as wrong (vm_state, power_state) using (vm_state, power_state);

-- name: adopt_generations(host, uuids, generations)!
-- A guest that was promised to this host and is there, though nobody waited for the answer, is the
-- server: the truth follows what has happened.
update servers s set generation = g.generation
  from unnest(:uuids::uuid[], :generations::integer[]) as g (uuid, generation)
 where s.uuid = g.uuid and s.host = :host and s.deleted_at is null
   and s.generation < g.generation and s.last_generation = g.generation
   and not exists (select 1 from workflows w where w.server_uuid = s.uuid);

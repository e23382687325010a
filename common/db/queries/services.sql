-- name: report_self(host, binary_name, down_time_s)!
-- A service with database access writes its own row.
insert into services (uuid, host, binary_name, last_seen_up, lease_expires_at)
values (gen_random_uuid(), :host, :binary_name, now(), now() + make_interval(secs => :down_time_s))
on conflict (host, binary_name) do update
   set last_seen_up = now(), lease_expires_at = now() + make_interval(secs => :down_time_s);

-- name: say_goodbye(host, binary_name)!
update services set lease_expires_at = '-infinity'
 where host = :host and binary_name = :binary_name;

-- name: host_goodbye(host, epoch, guests_stopped)!
-- Only the registered life of an agent may declare its host down, and it says nothing after that: its
-- heartbeats that still wait to be written find another epoch, and so does a hello that it has given
-- up waiting for. Without a lease it is silent, not fenced.
update services
   set lease_expires_at = case when :guests_stopped then '-infinity'::timestamptz end,
       epoch = 'ended ' || epoch
 where host = :host and binary_name = 'nova-compute' and epoch = :epoch;

-- name: beat(hosts, epochs, ages_s, inventories, listened_s, previous_at, elapsed_s, slack_s, down_time_s)^
-- Observed time moves on and what was heard is written, in one statement. When this was sent the
-- conductor had been listening for `listened_s` without a break, an age is how long before it had
-- received the heartbeat, and its previous beat (`previous_at`) was `elapsed_s` ago. What is missing
-- until now, this has spent on its way, e.g. to a server that stood still.
--
-- What of the gap since the latest beat nobody is known to have listened in is given back to whoever
-- was alive then: to who has registered since, no more than a whole lease. Beats wait for each other
-- at the observer's row, and then see what the other has written, so only one of them gives back.
with before as (
    select beat_at, extract(epoch from now() - beat_at)::double precision as gap_s,
           coalesce(greatest(extract(epoch from now() - :previous_at::timestamptz)::double precision
                             - :elapsed_s, 0), 0) as late_s
      from observer limit 1 for update  -- the limit tells the planner that it is one
), unheard as (
    select beat_at, late_s, least(gap_s, late_s + greatest(gap_s - late_s - :listened_s, 0)) as unheard_s
      from before
), outage as (
    select beat_at, late_s, case when unheard_s > :slack_s then unheard_s else 0 end as given_back_s
      from unheard
), moved as (
    update observer o set beat_at = greatest(o.beat_at, now()) from before
), beats as (
    select b.host, b.epoch, b.age_s + o.late_s as age_s, b.inventory
      from unnest(:hosts::text[], :epochs::text[], :ages_s::double precision[],
                  :inventories::text[]) as b (host, epoch, age_s, inventory), outage o
), touched as (
    select s.id
      from beats b join services s on s.host = b.host and s.binary_name = 'nova-compute'
     where s.epoch = b.epoch
     union
    select s.id from services s
     where (select given_back_s from outage) > 0
       and s.binary_name = 'nova-compute' and isfinite(s.lease_expires_at)
       and s.lease_expires_at >= (select beat_at from outage)
), locked as (
    -- One order of row locks for everybody who takes several.
    select s.id, s.host from services s where s.id in (select id from touched)
     order by s.host for no key update
), written as (
    update services s
       set last_seen_up = case
               when s.epoch = b.epoch
               then greatest(s.last_seen_up, now() - make_interval(secs => b.age_s))
               else s.last_seen_up end,
           lease_expires_at = greatest(
               case when o.given_back_s > 0 and s.lease_expires_at >= o.beat_at
                    then least(s.lease_expires_at + make_interval(secs => o.given_back_s),
                               now() + make_interval(secs => :down_time_s))
                    else s.lease_expires_at end,
               case when s.epoch = b.epoch
                    then now() + make_interval(secs => :down_time_s - b.age_s) end)
      from locked l left join beats b on b.host = l.host, outage o
     where s.id = l.id
       and (s.epoch = b.epoch
            or o.given_back_s > 0 and isfinite(s.lease_expires_at)
               and s.lease_expires_at >= o.beat_at)
    returning s.host,
              s.epoch = b.epoch and b.inventory is not null  -- null: of an agent that reports in time
              and s.inventory is distinct from b.inventory as changed
)
select now() as at, o.given_back_s,
       coalesce((select array_agg(w.host) from written w where w.changed), '{}')
       -- A hello that was carried out late has registered an earlier life; nothing else tells the
       -- present one, whose heartbeats do not count since.
       || coalesce((select array_agg(b.host)
                      from beats b join services s on s.host = b.host and s.binary_name = 'nova-compute'
                     where s.epoch <> b.epoch and b.inventory is not null), '{}') as changed
  from outage o;

-- name: register_host(host, host_id, epoch, down_time_s)$
-- No row comes back when another machine's agent is alive under this name, or this life has ended.
insert into services as s
    (uuid, host, binary_name, host_id, epoch, last_seen_up, lease_expires_at)
values (gen_random_uuid(), :host, 'nova-compute', :host_id, :epoch, now(),
        now() + make_interval(secs => :down_time_s))
on conflict (host, binary_name) do update
   set host_id = excluded.host_id, epoch = excluded.epoch, last_seen_up = excluded.last_seen_up,
       lease_expires_at = excluded.lease_expires_at, inventory = null
 where (s.host_id is null or s.host_id = excluded.host_id or not is_fresh(s))
   and s.epoch is distinct from 'ended ' || excluded.epoch
returning id;

-- name: host_exists(host)$
select exists (select from services where host = :host and binary_name = 'nova-compute');

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

-- name: guests_truth(host, epoch, uuids)
-- What the truth says about guests a host has: the server, and the moves that touch this host. One row
-- at least; `as_of` is the version of the host's service row, null when another life has registered.
select h.as_of, s.uuid, s.host, s.generation, s.last_generation, s.deleted_at is not null as deleted,
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
  from (select (select xmin::text from services
                 where host = :host and binary_name = 'nova-compute' and epoch = :epoch) as as_of) h
  left join servers s on s.uuid = any(:uuids::uuid[]);

-- name: settle_report(host, epoch, resources, uuids, generations, newer, inventory, as_of)^
-- What a full report changes, after its guests have been judged. Rows are locked in the order of
-- everybody: servers, compute nodes, services. Only what is different is written.
with life as (
    select id from services
     where host = :host and binary_name = 'nova-compute' and epoch = :epoch
), guests as (
    select * from unnest(:uuids::uuid[], :generations::integer[], :newer::boolean[])
           as g (uuid, generation, newer)
), adopted as (
    -- A guest that was promised to this host and is there, though nobody waited for the answer, is
    -- the server: the truth follows what has happened.
    update servers s set generation = g.generation
      from guests g, life
     where g.newer and s.uuid = g.uuid and s.host = :host and s.deleted_at is null
       and s.generation < g.generation and s.last_generation = g.generation
       and not exists (select 1 from workflows w where w.server_uuid = s.uuid)
    returning s.uuid
), evacuated as (
    -- The host has come back and no longer has the guests that were evacuated from it.
    update migrations m set status = 'completed', updated_at = clock_timestamp()
      from life
     where m.source_compute = :host and m.migration_type = 'evacuation' and m.status = 'done'
       and not exists (select 1 from guests g where g.uuid = m.server_uuid)
    returning m.server_uuid
), gone as (
    delete from leftovers l using life
     where l.kind = 'guest' and l.detail ->> 'host' = :host
       and not exists (select 1 from guests g
                        where g.uuid = l.server_uuid
                          and g.generation = (l.detail ->> 'generation')::integer)
    returning l.server_uuid
), node as (
    insert into compute_nodes as n (
        uuid, host, service_id, hypervisor_hostname, hypervisor_type, hypervisor_version, host_ip,
        cpu_info, supported_instances, booted_at, vcpus, memory_mib, disk_gib,
        reserved_vcpus, reserved_memory_mib, reserved_disk_gib, running_guests)
    select gen_random_uuid(), :host, life.id, r.hypervisor_hostname, r.hypervisor_type,
           r.hypervisor_version, r.host_ip, r.cpu_info, r.supported_instances, r.booted_at, r.vcpus,
           r.memory_mib, r.disk_gib, r.reserved_vcpus, r.reserved_memory_mib, r.reserved_disk_gib,
           r.running_guests
      from life, jsonb_populate_record(null::compute_nodes, :resources) r,
           (select count(*) from adopted) as servers_first
    on conflict (host) do update
       set service_id = excluded.service_id,
           hypervisor_hostname = excluded.hypervisor_hostname,
           hypervisor_type = excluded.hypervisor_type,
           hypervisor_version = excluded.hypervisor_version,
           host_ip = excluded.host_ip,
           cpu_info = excluded.cpu_info,
           supported_instances = excluded.supported_instances,
           booted_at = excluded.booted_at,
           vcpus = excluded.vcpus,
           memory_mib = excluded.memory_mib,
           disk_gib = excluded.disk_gib,
           reserved_vcpus = excluded.reserved_vcpus,
           reserved_memory_mib = excluded.reserved_memory_mib,
           reserved_disk_gib = excluded.reserved_disk_gib,
           running_guests = excluded.running_guests,
           updated_at = now()
     where (n.service_id, n.hypervisor_hostname, n.hypervisor_type, n.hypervisor_version,
            n.host_ip, n.cpu_info, n.supported_instances, n.booted_at, n.vcpus, n.memory_mib,
            n.disk_gib, n.reserved_vcpus, n.reserved_memory_mib, n.reserved_disk_gib,
            n.running_guests)
           is distinct from
           (excluded.service_id, excluded.hypervisor_hostname, excluded.hypervisor_type,
            excluded.hypervisor_version, excluded.host_ip, excluded.cpu_info,
            excluded.supported_instances, excluded.booted_at, excluded.vcpus, excluded.memory_mib,
            excluded.disk_gib, excluded.reserved_vcpus, excluded.reserved_memory_mib,
            excluded.reserved_disk_gib, excluded.running_guests)
    returning n.id
), settled as (
    -- Not when the row has changed since the truth was read: somebody may want another report.
    update services s
       set inventory = case when s.xmin::text = :as_of then :inventory::text end
      from life, (select count(*) from node) as node_first
     where s.id = life.id
       and s.inventory is distinct from case when s.xmin::text = :as_of then :inventory::text end
)
select exists (select 1 from life) as registered,
       coalesce((select array_agg(server_uuid) from evacuated), '{}') as evacuated,
       coalesce((select array_agg(server_uuid) from gone), '{}') as gone;

-- name: record_power_states(host, epoch, uuids, generations, power_states, wrong_vm_states, wrong_power_states, late_s)
-- Only for servers with nothing in progress: workflows write the rest. A server that has changed a
-- moment ago is not judged: the report may have been made before. Returns, of the others, those whose
-- states are one of the wrong pairs, and all that are not judged.
with idle as (
    select s.uuid, s.vm_state, s.power_state as recorded, g.power_state,
           s.updated_at < now() - make_interval(secs => :late_s) as judged
      from servers s
      join unnest(:uuids::uuid[], :generations::integer[], :power_states::integer[])
           as g (uuid, generation, power_state) on g.uuid = s.uuid and g.generation = s.generation
     where s.host = :host and s.task_state is null and s.deleted_at is null
       and exists (select 1 from services h
                    where h.host = :host and h.binary_name = 'nova-compute' and h.epoch = :epoch)
     order by s.uuid for no key update of s
), written as (
    update servers s set power_state = idle.power_state
      from idle
     where s.uuid = idle.uuid and idle.judged and idle.recorded <> idle.power_state
)
select idle.uuid, idle.vm_state, idle.power_state, idle.judged
  from idle
  left join unnest(:wrong_vm_states::text[], :wrong_power_states::integer[])
       as wrong (vm_state, power_state) using (vm_state, power_state)
 where not idle.judged or wrong.vm_state is not null;

-- name: aggregates(id)
-- All, or one, with their hosts in the order in which they were added.
select a.*, coalesce((select array_agg(h.host order by h.created_at, h.host)
                        from aggregate_hosts h where h.aggregate_id = a.id), '{}') as hosts
  from aggregates a where :id::bigint is null or a.id = :id
 order by a.id;

-- name: create_aggregate(uuid, name, zone)$
insert into aggregates (uuid, name, availability_zone) values (:uuid, :name, :zone) returning id;

-- name: lock_aggregate(id)^
select name, availability_zone from aggregates where id = :id for update;

-- name: lock_hosts(hosts)
-- A claim there waits until this is over, or is over by now; look who is there in a later statement.
select host, availability_zone from compute_nodes
 where host = any(:hosts::text[]) order by host for update;

-- name: hosts_in(id)
select host from aggregate_hosts where aggregate_id = :id order by host;

-- name: zones_of(hosts, but)
-- Zones that these hosts have from other aggregates.
select distinct zone from aggregate_hosts
 where host = any(:hosts::text[]) and aggregate_id <> :but and zone is not null order by 1;

-- name: occupied(hosts)$
select exists (select from allocations where host = any(:hosts::text[]));

-- name: add_host(id, host)!
insert into aggregate_hosts (aggregate_id, node_id, host, availability_zone)
select a.id, n.id, n.host, a.availability_zone from aggregates a, compute_nodes n
 where a.id = :id and n.host = :host;

-- name: remove_host(id, host)$
delete from aggregate_hosts where aggregate_id = :id and host = :host returning host;

-- name: set_zones(hosts)!
update compute_nodes n
   set availability_zone = (select max(h.zone) from aggregate_hosts h where h.host = n.host)
 where n.host = any(:hosts::text[]);

-- name: update_aggregate(id, name, zone, removed, added)!
update aggregates
   set name = :name, availability_zone = :zone,
       metadata = (metadata - :removed::text[]) || :added::jsonb, updated_at = clock_timestamp()
 where id = :id;

-- name: touch_aggregate(id)!
update aggregates set updated_at = clock_timestamp() where id = :id;

-- name: delete_aggregate(id)$
delete from aggregates where id = :id returning id;

-- name: zone_of(host, default_zone)$
select coalesce(availability_zone, :default_zone::text) from compute_nodes where host = :host;

-- name: zone_has_hosts(zone, default_zone)$
-- Hosts that take servers; disabled ones do not.
select exists (select from compute_nodes n join services s on s.id = n.service_id
                where not s.disabled
                  and coalesce(n.availability_zone, :default_zone::text) = :zone::text);

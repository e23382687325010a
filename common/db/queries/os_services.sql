-- name: services(host, binary_name)
-- What operators see; processes of the API are not shown.
select s.*, is_fresh(s) as fresh, n.availability_zone as zone
  from services s left join compute_nodes n on n.service_id = s.id
 where s.binary_name <> 'nova-osapi_compute'
   and (:host::text is null or s.host = :host::text)
   and (:binary_name::text is null or s.binary_name = :binary_name::text)
 order by s.id;

-- name: service_by_uuid(uuid)^
select s.*, is_fresh(s) as fresh, n.availability_zone as zone
  from services s left join compute_nodes n on n.service_id = s.id where s.uuid = :uuid;

-- name: service_by_id(id)^
select s.*, is_fresh(s) as fresh, n.availability_zone as zone
  from services s left join compute_nodes n on n.service_id = s.id where s.id = :id;

-- name: service_by_host(host, binary_name)^
select s.*, is_fresh(s) as fresh, n.availability_zone as zone
  from services s left join compute_nodes n on n.service_id = s.id
 where s.host = :host and s.binary_name = :binary_name;

-- name: lock_service(id)^
select s.*, is_fresh(s) as fresh, n.availability_zone as zone
  from services s left join compute_nodes n on n.service_id = s.id where s.id = :id
   for update of s;

-- name: has_uncleaned_evacuations(host)$
-- Guests evacuated from a host are still there until it has come back and removed them.
select exists (select 1 from migrations
                where source_compute = :host and migration_type = 'evacuation'
                  and status = 'done');

-- name: update_service(id, disabled, disabled_reason, forced_down)^
update services as s
   set disabled = :disabled, disabled_reason = :disabled_reason, forced_down = :forced_down,
       updated_at = now()
 where s.id = :id
returning s.*, is_fresh(s) as fresh,
          (select n.availability_zone from compute_nodes n where n.service_id = s.id) as zone;

-- name: has_servers(host)$
select exists (select 1 from servers where host = :host and deleted_at is null);

-- name: has_migrations(host)$
select exists (select 1 from migrations
                where (source_compute = :host or dest_compute = :host)
                  and status in ('accepted', 'queued', 'preparing', 'running', 'pre-migrating',
                                 'migrating', 'post-migrating', 'finished', 'confirming',
                                 'reverting'));

-- name: delete_service(id)!
delete from services where id = :id;

-- Each of the first four returns the workflow with its server (whose columns are null when there is
-- none) and its disks, so that a run costs no second look.

-- name: read_fresh(id)^
-- A workflow that nobody has begun, if it is the oldest of its server. It is not leased by this.
select w.id, w.kind, w.server_uuid, w.request_id, w.action_id, w.state, w.step, w.attempt,
       w.unwinding, w.error, w.cancel_requested, w.lease_epoch, false as leased,
       extract(epoch from w.deadline_at - now())::double precision as remaining_s, s.*,
       (select jsonb_agg(to_jsonb(d) order by d.position) from block_devices d
         where d.server_uuid = s.uuid) as block_devices
  from workflows w left join servers s on s.uuid = w.server_uuid
 where w.id = :id and w.lease_epoch = 0 and w.wake_at <= now()
   and not exists (select 1 from workflows o where o.server_uuid = w.server_uuid and o.id < w.id);

-- name: lease(id, owner, lease_s)^
-- Take one workflow, if it is the oldest of its server and nobody holds it.
with w as (
    update workflows w
       set lease_owner = :owner, lease_epoch = lease_epoch + 1,
           lease_expires_at = now() + make_interval(secs => :lease_s)
     where w.id = :id and w.lease_expires_at < now() and w.wake_at <= now()
       and not exists (select 1 from workflows o
                        where o.server_uuid = w.server_uuid and o.id < w.id)
    returning w.*)
select w.id, w.kind, w.server_uuid, w.request_id, w.action_id, w.state, w.step, w.attempt,
       w.unwinding, w.error, w.cancel_requested, w.lease_epoch, true as leased,
       extract(epoch from w.deadline_at - now())::double precision as remaining_s, s.*,
       (select jsonb_agg(to_jsonb(d) order by d.position) from block_devices d
         where d.server_uuid = s.uuid) as block_devices
  from w left join servers s on s.uuid = w.server_uuid;

-- name: lease_next(server_uuid, owner, lease_s)^
-- Take what waits on this server, now that its predecessor has ended.
with w as (
    update workflows w
       set lease_owner = :owner, lease_epoch = lease_epoch + 1,
           lease_expires_at = now() + make_interval(secs => :lease_s)
     where w.id = (select min(o.id) from workflows o where o.server_uuid = :server_uuid)
       and (w.lease_expires_at < now() or w.lease_epoch = 0) and w.wake_at <= now()
    returning w.*)
select w.id, w.kind, w.server_uuid, w.request_id, w.action_id, w.state, w.step, w.attempt,
       w.unwinding, w.error, w.cancel_requested, w.lease_epoch, true as leased,
       extract(epoch from w.deadline_at - now())::double precision as remaining_s, s.*,
       (select jsonb_agg(to_jsonb(d) order by d.position) from block_devices d
         where d.server_uuid = s.uuid) as block_devices
  from w left join servers s on s.uuid = w.server_uuid;

-- name: sweep(owner, lease_s, most)
-- Take what nobody holds: wake-ups that were lost, owners that died.
with due as (
    select w.id from workflows w
     where w.lease_expires_at < now() and w.wake_at <= now()
       and not exists (select 1 from workflows o
                        where o.server_uuid = w.server_uuid and o.id < w.id)
     order by w.id limit :most for update skip locked
), w as (
    update workflows w
       set lease_owner = :owner, lease_epoch = lease_epoch + 1,
           lease_expires_at = now() + make_interval(secs => :lease_s)
      from due where w.id = due.id
    returning w.*)
select w.id, w.kind, w.server_uuid, w.request_id, w.action_id, w.state, w.step, w.attempt,
       w.unwinding, w.error, w.cancel_requested, w.lease_epoch, true as leased,
       extract(epoch from w.deadline_at - now())::double precision as remaining_s, s.*,
       (select jsonb_agg(to_jsonb(d) order by d.position) from block_devices d
         where d.server_uuid = s.uuid) as block_devices
  from w left join servers s on s.uuid = w.server_uuid;

-- name: take(id, owner, lease_epoch, lease_s)$
-- Lease a workflow that was begun without; the epoch says whether somebody else has.
update workflows
   set lease_owner = :owner, lease_epoch = lease_epoch + 1,
       lease_expires_at = now() + make_interval(secs => :lease_s)
 where id = :id and lease_epoch = :lease_epoch
returning lease_epoch;

-- name: renew(owner, ids, lease_s)
-- Keep what is ours; an id that does not come back has been lost to another conductor.
update workflows
   set lease_expires_at = now() + make_interval(secs => :lease_s)
 where lease_owner = :owner and id = any(:ids::bigint[])
returning id, cancel_requested;

-- name: release(owner, ids)!
-- Also those that were not leased yet: their reservation for who was woken is over.
update workflows set lease_expires_at = '-infinity'
 where id = any(:ids::bigint[]) and (lease_owner = :owner or lease_epoch = 0);

-- name: park(id, lease_epoch, wait_s)!
-- Put it aside on purpose: nobody takes it before then.
update workflows
   set lease_expires_at = '-infinity', wake_at = now() + make_interval(secs => :wait_s)
 where id = :id and lease_epoch = :lease_epoch;

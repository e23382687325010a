-- name: lease(id, owner, lease_s)^
-- Take one workflow, if it is the oldest of its server and nobody holds it.
update workflows w
   set lease_owner = :owner, lease_epoch = lease_epoch + 1,
       lease_expires_at = now() + make_interval(secs => :lease_s)
 where w.id = :id and w.lease_expires_at < now() and w.wake_at <= now()
   and not exists (select 1 from workflows o where o.server_uuid = w.server_uuid and o.id < w.id)
returning w.*,
    extract(epoch from w.deadline_at - now())::double precision as remaining_s;

-- name: lease_next(server_uuid, owner, lease_s)^
-- Take what waits on this server, now that its predecessor has ended.
update workflows w
   set lease_owner = :owner, lease_epoch = lease_epoch + 1,
       lease_expires_at = now() + make_interval(secs => :lease_s)
 where w.id = (select min(o.id) from workflows o where o.server_uuid = :server_uuid)
   and w.lease_expires_at < now() and w.wake_at <= now()
returning w.*,
    extract(epoch from w.deadline_at - now())::double precision as remaining_s;

-- name: sweep(owner, lease_s, most)
-- Take what nobody holds: wake-ups that were lost, owners that died.
with due as (
    select w.id from workflows w
     where w.lease_expires_at < now() and w.wake_at <= now()
       and not exists (select 1 from workflows o
                        where o.server_uuid = w.server_uuid and o.id < w.id)
     order by w.id limit :most for update skip locked)
update workflows w
   set lease_owner = :owner, lease_epoch = lease_epoch + 1,
       lease_expires_at = now() + make_interval(secs => :lease_s)
  from due where w.id = due.id
returning w.*,
    extract(epoch from w.deadline_at - now())::double precision as remaining_s;

-- name: renew(owner, ids, lease_s)
-- Keep what is ours; an id that does not come back has been lost to another conductor.
update workflows
   set lease_expires_at = now() + make_interval(secs => :lease_s)
 where lease_owner = :owner and id = any(:ids::bigint[])
returning id, cancel_requested;

-- name: release(owner, ids)!
update workflows set lease_expires_at = '-infinity'
 where lease_owner = :owner and id = any(:ids::bigint[]);

-- name: park(id, lease_epoch, wait_s)!
-- Put it aside on purpose: nobody takes it before then.
update workflows
   set lease_expires_at = '-infinity', wake_at = now() + make_interval(secs => :wait_s)
 where id = :id and lease_epoch = :lease_epoch;

-- name: reread(id, lease_epoch)^
select cancel_requested from workflows where id = :id and lease_epoch = :lease_epoch;

-- name: count_failed_build(host)!
update compute_nodes set failed_builds = failed_builds + 1 where host = :host;

-- name: server(uuid)^
select * from servers where uuid = :uuid;

-- name: add(server_uuid, kind, detail, reason, request_id)!
insert into leftovers (server_uuid, kind, detail, reason, request_id)
values (:server_uuid, :kind, :detail, :reason, :request_id)
on conflict (server_uuid, kind, detail) do nothing;

-- name: intend(server_uuid, detail, reason, request_id, due_s)!
insert into leftovers (server_uuid, kind, detail, reason, request_id, due_at)
values (:server_uuid, 'attachments', :detail, :reason, :request_id,
        now() + make_interval(secs => :due_s));

-- name: intended(server_uuid, detail)!
delete from leftovers
 where server_uuid = :server_uuid and kind = 'attachments' and detail = :detail::jsonb;

-- name: redeem(server_uuid, detail)$
-- As `intended`, unless somebody has begun to work it off.
delete from leftovers
 where server_uuid = :server_uuid and kind = 'attachments' and detail = :detail::jsonb
   and attempts = 0
returning true;

-- name: add_new(server_uuid, kind, detail, reason)$
-- Whether it was not on record.
insert into leftovers (server_uuid, kind, detail, reason)
values (:server_uuid, :kind, :detail, :reason)
on conflict (server_uuid, kind, detail) do nothing
returning true;

-- name: take_due(most, retry_s)
-- Not while a workflow owns the server: it may be making what this would remove.
with due as (
    select l.id from leftovers l
     where l.due_at <= now()
       and not exists (select 1 from workflows w where w.server_uuid = l.server_uuid)
     order by l.due_at limit :most for update skip locked)
update leftovers l
   set attempts = l.attempts + 1,
       due_at = now() + make_interval(
           secs => least(3600, :retry_s::double precision * 2 ^ least(l.attempts, 20)))
  from due where l.id = due.id
returning l.*;

-- name: at_rest(server_uuid)$
select not exists (select from workflows where server_uuid = :server_uuid);

-- name: done(id)!
delete from leftovers where id = :id;

-- name: failed(id, reason)!
update leftovers set reason = :reason where id = :id;

-- name: counts()
select kind, count(*)::integer as count from leftovers group by kind;

-- name: guests_that_may_run(server_uuid, except_host)
select distinct l.detail ->> 'host' as host
  from leftovers l
  left join services s on s.host = l.detail ->> 'host' and s.binary_name = 'nova-compute'
 where l.server_uuid = :server_uuid and l.kind = 'guest'
   and (l.detail ->> 'may_run')::boolean and l.detail ->> 'host' <> :except_host
   and s.host is not null and not s.forced_down and s.lease_expires_at <> '-infinity';

-- name: listing()
select * from leftovers order by created_at, id;

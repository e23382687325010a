-- name: add(token_sha256, server_uuid, host, generation, console_type, ttl_s, most_swept)!
-- Each new token clears away a few old ones, so the table does not grow with time.
with swept as (
    delete from console_tokens
     where token_sha256 in (select token_sha256 from console_tokens
                             where expires_at < now() limit :most_swept
                               for update skip locked))
insert into console_tokens (token_sha256, server_uuid, host, generation, console_type, expires_at)
values (:token_sha256, :server_uuid, :host, :generation, :console_type,
        now() + make_interval(secs => :ttl_s::double precision));

-- name: find(token_sha256)^
-- Only while its guest still is the server.
select t.server_uuid, t.host, t.generation, t.console_type,
       extract(epoch from t.expires_at - now())::double precision as left_s
  from console_tokens t join servers s on s.uuid = t.server_uuid
 where t.token_sha256 = :token_sha256 and t.expires_at > now()
   and s.deleted_at is null and s.host = t.host and s.generation = t.generation;

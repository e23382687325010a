-- name: password_of(server_uuid)$
select guest_password from servers where uuid = :server_uuid and deleted_at is null;

-- name: set_password_once(server_uuid, password)$
-- The uuid when it was set now; nothing when there is one already or the server is gone.
update servers set guest_password = :password
 where uuid = :server_uuid and guest_password is null and deleted_at is null
returning uuid;

-- name: clear_password(server_uuid)!
update servers set guest_password = null where uuid = :server_uuid and guest_password is not null;

-- name: shares_of(server_uuid)
select * from server_shares where server_uuid = :server_uuid order by created_at, uuid;

-- name: share(server_uuid, share_id)^
select * from server_shares where server_uuid = :server_uuid and share_id = :share_id;

-- name: delete_share(server_uuid, share_id)$
delete from server_shares where server_uuid = :server_uuid and share_id = :share_id returning uuid;

-- name: keypairs_of(user_id)
select * from keypairs where user_id = :user_id order by name;

-- name: keypairs_after(user_id, marker, count)
select * from keypairs
 where user_id = :user_id and (:marker::text is null or name > :marker::text)
 order by name limit :count;

-- name: keypair(user_id, name)^
select * from keypairs where user_id = :user_id and name = :name;

-- name: lock_user(user_id)$
-- Held until the transaction ends: two key pairs of one user are counted one after the other.
select pg_advisory_xact_lock(hashtextextended('keypairs:' || :user_id::text, 0));

-- name: create_keypair(user_id, name, type, fingerprint, public_key, quota)^
insert into keypairs (user_id, name, type, fingerprint, public_key)
select :user_id, :name, :type, :fingerprint, :public_key
 where :quota::integer < 0
    or (select count(*) from keypairs where user_id = :user_id) < :quota::integer
returning *;

-- name: delete_keypair(user_id, name)^
delete from keypairs where user_id = :user_id and name = :name returning id;

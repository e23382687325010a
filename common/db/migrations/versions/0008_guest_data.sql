-- Expand: what a guest has reported, and the shares it has.

-- Of a guest, encrypted by it with its user's key; null: none. Once written only its user, or a
-- rebuild, takes it away.
alter table servers add column guest_password text;

-- Shares of a file service that are a server's.
create table server_shares (
    uuid            uuid primary key,
    server_uuid     uuid not null references servers (uuid) on delete cascade,
    share_id        uuid not null,
    tag             text not null,               -- by which the guest mounts it
    export_location text not null,
    status          text not null
                    check (status in ('attaching', 'inactive', 'active', 'detaching', 'error')),
    created_at      timestamptz not null default clock_timestamp(),
    constraint server_shares_server_share_key unique (server_uuid, share_id),
    constraint server_shares_server_tag_key unique (server_uuid, tag)
);

-- Expand: disks of servers beside the one of their image, and what may be left over of volumes.
create table block_devices (
    uuid                  uuid primary key,
    server_uuid           uuid not null,
    position              integer not null,          -- in the order in which they were asked for
    source_type           text not null check (source_type in ('blank', 'image', 'snapshot', 'volume')),
    destination_type      text not null check (destination_type in ('local', 'volume')),
    boot_index            integer,                   -- 0: the root disk; null: not booted from
    device_name           text,                      -- /dev/vdb
    volume_id             text,                      -- null until it is made
    attachment_id         text,                      -- the one that is the server's; others are over
    image_id              text,
    snapshot_id           text,
    size                  integer,                   -- GiB; of swap, MiB
    volume_type           text,
    guest_format          text,                      -- 'swap', or the file system of an ephemeral disk
    disk_bus              text,
    device_type           text,
    tag                   text,
    delete_on_termination boolean not null default false,
    created_at            timestamptz not null default clock_timestamp(),
    constraint block_devices_volume_key unique (server_uuid, volume_id)
);
create index block_devices_volume_idx on block_devices (volume_id) where volume_id is not null;

alter table leftovers drop constraint leftovers_kind_check;
alter table leftovers add constraint leftovers_kind_check
    check (kind in ('ports', 'image', 'guest', 'attachments', 'volume', 'snapshot'));

-- Disks of servers, as requests write them. What workflows change is part of their commits.

-- name: add(server_uuid, device)^
-- The next disk of a server; nothing when the server is gone, or has this volume already.
insert into block_devices (
    uuid, server_uuid, position, source_type, destination_type, boot_index, device_name, volume_id,
    attachment_id, image_id, snapshot_id, size, volume_type, guest_format, disk_bus, device_type,
    tag, delete_on_termination)
select d.uuid, s.uuid,
       (select coalesce(max(position) + 1, 0) from block_devices o where o.server_uuid = s.uuid),
       d.source_type, d.destination_type, d.boot_index, d.device_name, d.volume_id, d.attachment_id,
       d.image_id, d.snapshot_id, d.size, d.volume_type, d.guest_format, d.disk_bus, d.device_type,
       d.tag, d.delete_on_termination
  from servers s, jsonb_populate_record(null::block_devices, :device::jsonb) d
 where s.uuid = :server_uuid and s.deleted_at is null
    on conflict (server_uuid, volume_id) do nothing
returning uuid;

-- name: of_server(server_uuid)
select to_jsonb(d) as disk from block_devices d where d.server_uuid = :server_uuid order by position;

-- name: servers_of_volume(volume_id)
-- Servers that have the volume as a disk.
select server_uuid from block_devices d join servers s on s.uuid = d.server_uuid
 where d.volume_id = :volume_id and s.deleted_at is null;

-- name: set_delete_on_termination(server_uuid, volume_id, value)^
update block_devices set delete_on_termination = :value
 where server_uuid = :server_uuid and volume_id = :volume_id
returning uuid;


-- name: attachments(server_uuid)^
-- Those that are the server's, or that a swap will make its, and volumes that requests are about to
-- reserve for it.
select (select coalesce(array_agg(named.id), '{}')
          from (select d.attachment_id from block_devices d
                 where d.server_uuid = :server_uuid and d.attachment_id is not null
                 union all
                select w.state ->> 'new_attachment' from workflows w
                 where w.server_uuid = :server_uuid and w.kind = 'swap_volume') named (id)) as named,
       (select coalesce(array_agg(l.detail ->> 'volume_id'), '{}') from leftovers l
         where l.server_uuid = :server_uuid and l.kind = 'attachments'
           and l.detail ? 'volume_id') as reserving,
       exists (select from workflows w where w.server_uuid = :server_uuid) as busy;

-- name: server(uuid, include_deleted)^
-- A server with its disks and the facts about its host as they are now.
select s.*, c.id is not null as has_service, coalesce(c.disabled, false) as host_disabled,
       coalesce(c.forced_down, false) as host_forced_down, is_fresh(c) as host_fresh,
       coalesce(c.forced_down or c.lease_expires_at = '-infinity', false) as host_fenced,
       (select n.availability_zone from compute_nodes n where n.host = s.host) as host_zone,
       (select jsonb_agg(to_jsonb(d) order by d.position) from block_devices d
         where d.server_uuid = s.uuid) as block_devices
  from servers s
  left join services c on c.host = s.host and c.binary_name = 'nova-compute'
 where s.uuid = :uuid and (:include_deleted or s.deleted_at is null);

-- name: create_context(flavorid, project_id, user_id, key_name, every_flavor, class_row)^
-- What a create request refers to: the flavor, the key and the limits, in one look.
select to_jsonb(f) as flavor, k.name as key_name, k.public_key,
       coalesce((select limits from quota_projects where project_id = :project_id), '{}') as own,
       coalesce((select limits from quota_projects where project_id = :class_row), '{}') as class
  from (select 1) one
  left join flavors f
         on f.flavorid = :flavorid
        and (:every_flavor or f.is_public
             or exists (select 1 from flavor_access a
                         where a.flavor_id = f.id and a.project_id = :project_id))
  left join keypairs k on k.user_id = :user_id and k.name = :key_name;

-- name: compute_node(host, node)^
-- The host by either or both of its names.
select host, hypervisor_hostname as node from compute_nodes
 where (:host::text is null or host = :host)
   and (:node::text is null or hypervisor_hostname = :node)
 limit 1;

-- name: insert_servers(uuids, names, hostnames, common, request_id, workflow_state, deadline_s, reserve_s, at_least, instances, cores, ram, user_instances, user_cores, user_ram, group_members, devices)
-- All servers of one request: they differ in id, names and index only, and each has disks like
-- `devices`. As many as the quota allows, none when these are fewer than `at_least`. A limit of null
-- is none; without limits nothing is counted; the user's own limits are for what the user has. Exact
-- only while the project is locked (lock_project) by an earlier statement. Of a group that would get
-- too many members of this user none are made.
with used as materialized (
    select u.* from (select) one left join lateral
           (select * from usage_of(:common::jsonb ->> 'project_id')
             where coalesce(:instances::bigint, :cores::bigint, :ram::bigint) is not null) u on true
), own as materialized (
    select u.* from (select) one left join lateral
           (select * from usage_of_user(:common::jsonb ->> 'project_id', :common::jsonb ->> 'user_id')
             where coalesce(:user_instances::bigint, :user_cores::bigint, :user_ram::bigint)
                   is not null) u on true
), fits as (
    select least(cardinality(:uuids::uuid[]), :instances::bigint - used.instances,
                 (:cores::bigint - used.cores) / nullif(c.vcpus, 0),
                 (:ram::bigint - used.ram) / nullif(c.memory_mib, 0),
                 :user_instances::bigint - own.instances,
                 (:user_cores::bigint - own.cores) / nullif(c.vcpus, 0),
                 (:user_ram::bigint - own.ram) / nullif(c.memory_mib, 0)) as number
      from used, own, jsonb_populate_record(null::servers, :common::jsonb) as c
), crowd as (
    select count(*) as members from servers s, jsonb_populate_record(null::servers, :common::jsonb) c
     where :group_members::bigint is not null and s.server_group = c.server_group
       and s.user_id = c.user_id and s.deleted_at is null
), sv as (
    insert into servers (
        uuid, name, hostname, launch_index, project_id, user_id, description, reservation_id,
        vm_state, task_state, availability_zone, pinned_availability_zone, flavor, flavorid, vcpus,
        memory_mib, root_gib, ephemeral_gib, swap_mib, image_ref, image_properties, kernel_id,
        ramdisk_id, root_device_name, config_drive, auto_disk_config, key_name, key_data, user_data,
        metadata, tags, security_groups, requested_networks, access_ip_v4, access_ip_v6,
        scheduler_hints, trusted_certs, server_group)
    select n.uuid, n.name, n.hostname, n.index - 1, c.project_id, c.user_id, c.description,
           c.reservation_id, 'building', 'scheduling', c.availability_zone,
           c.pinned_availability_zone, c.flavor, c.flavorid, c.vcpus, c.memory_mib, c.root_gib,
           c.ephemeral_gib, c.swap_mib, c.image_ref, c.image_properties, c.kernel_id, c.ramdisk_id,
           c.root_device_name, c.config_drive, c.auto_disk_config, c.key_name, c.key_data,
           c.user_data, c.metadata, c.tags, c.security_groups, c.requested_networks,
           c.access_ip_v4, c.access_ip_v6, c.scheduler_hints, c.trusted_certs, c.server_group
      from unnest(:uuids::uuid[], :names::text[], :hostnames::text[])
           with ordinality as n (uuid, name, hostname, index),
           jsonb_populate_record(null::servers, :common::jsonb) as c, fits, crowd
     where n.index <= fits.number and fits.number >= :at_least
       and (:group_members::bigint is null
            or crowd.members + fits.number <= :group_members::bigint)
    returning uuid, user_id, project_id
), ac as (
    insert into instance_actions (server_uuid, action, request_id, user_id, project_id)
    select uuid, 'create', :request_id, user_id, project_id from sv
    returning id, server_uuid
), dv as (
    insert into block_devices (
        uuid, server_uuid, position, source_type, destination_type, boot_index, device_name,
        volume_id, attachment_id, image_id, snapshot_id, size, volume_type, guest_format, disk_bus,
        device_type, tag, delete_on_termination)
    select gen_random_uuid(), sv.uuid, e.place - 1, d.source_type, d.destination_type, d.boot_index,
           d.device_name, d.volume_id, d.attachment_id, d.image_id, d.snapshot_id, d.size,
           d.volume_type, d.guest_format, d.disk_bus, d.device_type, d.tag, d.delete_on_termination
      from sv, jsonb_array_elements(:devices::jsonb) with ordinality as e (value, place),
           jsonb_populate_record(null::block_devices, e.value) as d
)
insert into workflows (kind, server_uuid, request_id, action_id, state, deadline_at,
                       lease_expires_at)
select 'build', server_uuid, :request_id, id, :workflow_state,
       now() + make_interval(secs => :deadline_s), now() + make_interval(secs => :reserve_s)
  from ac
returning id, server_uuid;

-- name: write_metadata(uuid, metadata, replace, vm_states, most)^
-- Merge, or replace all. Nothing when the state forbids it or the result has too many items.
update servers
   set metadata = case when :replace then :metadata::jsonb else metadata || :metadata::jsonb end,
       updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null and vm_state = any(:vm_states::text[])
   and (:most < 0 or :most >= (
            select count(*) from jsonb_object_keys(
                case when :replace then :metadata::jsonb else metadata || :metadata::jsonb end)))
returning metadata;

-- name: delete_metadata(uuid, key, vm_states)^
update servers set metadata = metadata - :key::text, updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null and vm_state = any(:vm_states::text[])
returning uuid;

-- name: replace_tags(uuid, tags, vm_states)^
update servers set tags = :tags::text[], updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null and vm_state = any(:vm_states::text[])
returning tags;

-- name: set_security_groups(uuid, names)!
update servers set security_groups = :names::jsonb, updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null and security_groups <> :names::jsonb;

-- name: add_tag(uuid, tag, vm_states, most)^
-- Nothing when the tag is there already, the state forbids it or there are too many.
update servers set tags = array_append(tags, :tag::text), updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null and vm_state = any(:vm_states::text[])
   and not :tag::text = any(tags) and cardinality(tags) < :most
returning tags;

-- name: remove_tag(uuid, tag, vm_states)^
update servers set tags = array_remove(tags, :tag::text), updated_at = clock_timestamp()
 where uuid = :uuid and deleted_at is null and vm_state = any(:vm_states::text[])
   and :tag::text = any(tags)
returning tags;

-- name: visible_flavors(project_id, everything, private_only, min_ram_mib, min_disk_gib, name_pattern)
-- Public ones and those the project has access to; `everything` for administrators who ask for it.
select f.*
  from flavors f
 where (:everything::boolean
        or (not :private_only::boolean
            and (f.is_public
                 or exists (select 1 from flavor_access a
                             where a.flavor_id = f.id and a.project_id = :project_id::text)))
        or (:private_only::boolean and not f.is_public))
   and f.memory_mib >= :min_ram_mib::bigint
   and f.root_gib >= :min_disk_gib::bigint
   and (:name_pattern::text is null or f.name ~ :name_pattern::text);

-- name: flavor_by_flavorid(flavorid, project_id, everything)^
select f.*
  from flavors f
 where f.flavorid = :flavorid
   and (:everything::boolean or f.is_public
        or exists (select 1 from flavor_access a
                    where a.flavor_id = f.id and a.project_id = :project_id::text));

-- name: create_flavor(flavorid, name, description, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, rxtx_factor, is_public)^
insert into flavors (flavorid, name, description, vcpus, memory_mib, root_gib, ephemeral_gib,
                     swap_mib, rxtx_factor, is_public)
values (:flavorid, :name, :description, :vcpus, :memory_mib, :root_gib, :ephemeral_gib,
        :swap_mib, :rxtx_factor, :is_public)
returning *;

-- name: describe_flavor(flavorid, description)^
update flavors set description = :description, updated_at = now()
 where flavorid = :flavorid
returning *;

-- name: delete_flavor(flavorid)^
delete from flavors where flavorid = :flavorid returning id;

-- name: add_extra_specs(flavorid, extra_specs)^
update flavors set extra_specs = extra_specs || :extra_specs::jsonb, updated_at = now()
 where flavorid = :flavorid
returning extra_specs;

-- name: delete_extra_spec(flavorid, key)^
-- The old value tells an unknown key from a removed one.
update flavors f set extra_specs = f.extra_specs - :key::text, updated_at = now()
  from flavors old
 where f.flavorid = :flavorid and old.id = f.id and old.extra_specs ? :key::text
returning f.id;

-- name: flavor_projects(flavor_id)
select project_id from flavor_access where flavor_id = :flavor_id order by project_id;

-- name: add_access(flavor_id, project_id)^
insert into flavor_access (flavor_id, project_id) values (:flavor_id, :project_id)
on conflict do nothing
returning flavor_id;

-- name: remove_access(flavor_id, project_id)^
delete from flavor_access where flavor_id = :flavor_id and project_id = :project_id
returning flavor_id;

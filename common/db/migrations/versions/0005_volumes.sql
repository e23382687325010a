-- Expand: volumes of servers: the block device mappings.
select 1;

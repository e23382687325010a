-- Expand: what servers keep of their addresses.
select 1;

-- Expand: aggregates, availability zones of hosts, server groups.
select 1;

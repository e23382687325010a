-- Expand: what a guest is given: files, passwords, vendor data.
select 1;

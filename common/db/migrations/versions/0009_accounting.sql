-- Expand: usage, quotas of users and projects.
select 1;

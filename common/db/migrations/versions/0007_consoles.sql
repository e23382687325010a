-- Expand: tokens of consoles.
select 1;

-- Expand: what an action answers the request that waits for it, interfaces among the leftovers, and
-- whose turn it is with what is looked at page by page.
alter table instance_actions add column outcome jsonb;

alter table leftovers drop constraint leftovers_kind_check;
alter table leftovers add constraint leftovers_kind_check
    check (kind in ('ports', 'image', 'guest', 'attachments', 'volume', 'snapshot', 'interface'));

create table reconciler_turns (
    name     text primary key,
    position text,
    due_at   timestamptz not null
);

-- Expand: leftovers, what hosts last reported, when hosts booted.
-- What a workflow could not clean up. A reconciler works the rows off; people can list them.
create table leftovers (
    id          bigint generated always as identity primary key,
    server_uuid uuid not null,
    kind        text not null check (kind in ('ports', 'image', 'guest')),
    detail      jsonb not null default '{}',     -- image: {"id"}; guest: {"host", "generation"}
    reason      text not null,                   -- why the latest attempt failed
    request_id  text,                            -- of the action that left it
    attempts    integer not null default 0,      -- of the reconciler
    created_at  timestamptz not null default clock_timestamp(),
    due_at      timestamptz not null default clock_timestamp(),
    constraint leftovers_what_key unique (server_uuid, kind, detail)
);
create index leftovers_due_idx on leftovers (due_at);

-- Hash of the inventory that a conductor last found settled; null: the host is to report.
alter table services add column inventory text;

-- The uptime of a host is derived from it; the text column is written no more.
alter table compute_nodes add column booted_at timestamptz;

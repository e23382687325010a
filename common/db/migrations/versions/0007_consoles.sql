-- Expand: tokens of consoles.

-- A token is good for the guest it was made for: the same server, on the same host, in the same
-- generation. Whether that still is so is asked when it is used, so that nothing that ends a guest
-- has to know of tokens.
create table console_tokens (
    token_sha256 bytea primary key,              -- the token itself is known to its user only
    server_uuid  uuid not null,
    host         text not null,
    generation   integer not null,
    console_type text not null,                  -- novnc, spice-html5, spice-direct, serial
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null
);
create index console_tokens_expires_idx on console_tokens (expires_at);

-- Rows every cluster starts with; safe to run again.
insert into flavors (flavorid, name, memory_mib, vcpus, root_gib) values
    ('1', 'm1.tiny',     512, 1,   1),
    ('2', 'm1.small',   2048, 1,  20),
    ('3', 'm1.medium',  4096, 2,  40),
    ('4', 'm1.large',   8192, 4,  80),
    ('5', 'm1.xlarge', 16384, 8, 160)
on conflict do nothing;

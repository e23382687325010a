import time, statistics, os
import numpy as np
from uuid import uuid4
from tests.integration.scheduler.rows import RATIOS
from common.db.stores.placement import read_hosts
from services.scheduler.snapshot import arrays
from services.scheduler.hosts import Request
from services.scheduler.placement import place
from services.scheduler.weighers import WEIGHERS

async def test_bench(pool, capsys):
    await pool.execute("""
insert into services (uuid, host, binary_name, lease_expires_at)
select gen_random_uuid(), 'host-'||n, 'nova-compute', now() + interval '1 hour' from generate_series(1,10000) n;
insert into compute_nodes (uuid, host, service_id, hypervisor_hostname, hypervisor_type, hypervisor_version, host_ip, vcpus, memory_mib, disk_gib)
select gen_random_uuid(), host, id, host, 'fake', 1, '127.0.0.1', 16, 65536, 1000 from services;
""")
    await pool.execute("""insert into allocations (server_uuid, host, vcpus, memory_mib, disk_gib) select gen_random_uuid(), 'host-'||(1+n%10000), 1, 512, 1 from generate_series(1,20000) n;
    insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state, flavor, flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, host)
      select server_uuid, 'p', 'u', 'n', 'n', 'r', 'active', '{}', '1', 1, 1, 1, 0, 0, host from allocations;
    insert into workflows (kind, server_uuid, request_id, deadline_at) select 'build', uuid, 'r', now() from servers limit 2000""")
    if os.environ.get("AGG"):
        await pool.execute("""insert into aggregates (uuid, name, metadata) select gen_random_uuid(), 'agg-'||n, '{"ssd": "true"}' from generate_series(1,20) n;
        insert into aggregate_hosts (aggregate_id, host, availability_zone) select 1+n%20, 'host-'||n, '' from generate_series(1,10000) n;
        insert into aggregate_hosts (aggregate_id, host, availability_zone) select 1+(n+3)%20, 'host-'||n, '' from generate_series(1,10000) n;
        """)
    await pool.execute("analyze")
    reads, places = [], []
    for _ in range(15):
        t = time.perf_counter()
        columns = await read_hosts(pool, default_zone="nova", ratios=RATIOS, promised={})
        t2 = time.perf_counter()
        hosts = arrays(columns, 0.0)
        reads.append((t2 - t, time.perf_counter() - t2))
    rng = np.random.default_rng(1)
    m = {w.name: 1.0 for w in WEIGHERS}
    for _ in range(50):
        t = time.perf_counter()
        place(hosts, Request((1, 512, 1), availability_zone="nova"), m, rng)
        places.append(time.perf_counter() - t)
    with capsys.disabled():
        print("\nread ms", round(statistics.median(r[0] for r in reads) * 1e3, 1), "arrays ms", round(statistics.median(r[1] for r in reads) * 1e3, 1), "place ms", round(statistics.median(places) * 1e3, 2))

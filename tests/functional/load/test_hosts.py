"""A host that is not shown as alive is noticed, whoever shows it."""

from __future__ import annotations

import pytest

from common.db.pool import Pool
from deploy.load.hosts import LOOK, Looks

HOST = (
    "insert into services (uuid, host, binary_name, lease_expires_at, forced_down) "
    "values (gen_random_uuid(), $1, 'nova-compute', now() + make_interval(secs => $2), $3)"
)


@pytest.mark.parametrize(
    ("lease_s", "forced_down", "wrong"),
    [(60, False, {}), (-60, False, {"b": 1}), (60, True, {"b": 1})],
)
async def test_the_database_says_who_is_down(
    pool: Pool, lease_s: float, forced_down: bool, wrong: dict[str, int]
) -> None:
    await pool.execute(HOST, "a", 60, False)
    await pool.execute(HOST, "b", lease_s, forced_down)
    looks, row = Looks(), await pool.fetchrow(LOOK)
    looks.seen(2, row["known"], row["down"] or [])
    assert (dict(looks.hosts_wrong), looks.wrong) == (wrong, len(wrong))


def test_a_missing_host_is_wrong_too() -> None:
    looks = Looks()
    looks.seen(3, 3, [])
    looks.seen(3, 1, [])
    assert (looks.wrong, dict(looks.hosts_wrong)) == (1, {"(missing)": 2})

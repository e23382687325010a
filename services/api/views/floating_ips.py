"""What floating IPs look like to clients of the oldest versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.neighbours.network_records import FloatingIp


def render(floating: FloatingIp, pools: Mapping[str, str]) -> dict[str, Any]:
    """`pools` has the names of external networks by their ids."""
    return {
        "id": floating.id,
        "ip": floating.floating_ip_address,
        "pool": pools.get(floating.network_id, floating.network_id),
        "fixed_ip": floating.fixed_ip_address,
        "instance_id": floating.device_id or None,
    }

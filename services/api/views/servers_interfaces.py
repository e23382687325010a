"""What a network interface of a server looks like."""

from __future__ import annotations

from dataclasses import dataclass

from common.neighbours.network_records import Port
from services.api import versions
from services.api.views.fields import Field, View


@dataclass(frozen=True)
class Interface:
    port: Port
    tag: str | None


INTERFACE = View(
    [
        Field("port_id", lambda i, _: i.port.id),
        Field("net_id", lambda i, _: i.port.network_id),
        Field("port_state", lambda i, _: i.port.status),
        Field("mac_addr", lambda i, _: i.port.mac_address),
        Field(
            "fixed_ips",
            lambda i, _: [
                {"ip_address": ip.ip_address, "subnet_id": ip.subnet_id} for ip in i.port.fixed_ips
            ],
        ),
        Field("tag", lambda i, _: i.tag, since=versions.ATTACH_TAGS_SHOWN),
    ]
)

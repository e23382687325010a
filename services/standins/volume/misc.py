"""What the volume service says about itself, and the lists of what it has none of.

Owns: availability zones, services, pools, extensions, empty lists. May not: change anything.
Crash story: nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.standins.volume.model import HOST, ZONE, Model
from services.standins.volume.routing import Handler, Operation, minor
from services.standins.web import Call, Reply

EXTENSIONS = {
    "os-admin-actions": "AdminActions",
    "os-availability-zone": "AvailabilityZones",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-services": "Services",
    "os-snapshot-actions": "SnapshotActions",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-types-manage": "TypesManage",
    "os-used-limits": "UsedLimits",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "os-vol-mig-status-attr": "VolumeMigStatusAttribute",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-volume-actions": "VolumeActions",
    "os-volume-encryption-metadata": "VolumeEncryptionMetadata",
    "os-volume-type-access": "VolumeTypeAccess",
    "os-volume-type-encryption": "VolumeTypeEncryption",
}
"""Alias and name; each one here is really there, so that clients ask for nothing else."""


@dataclass(frozen=True, slots=True)
class Empty:
    """A list that is always empty."""

    path: str
    name: str
    since: int = 0
    admin: bool = False


EMPTY = (
    Empty("/backups", "backups"),
    Empty("/backups/detail", "backups"),
    Empty("/consistencygroups", "consistencygroups"),
    Empty("/consistencygroups/detail", "consistencygroups"),
    Empty("/cgsnapshots", "cgsnapshots"),
    Empty("/cgsnapshots/detail", "cgsnapshots"),
    Empty("/qos-specs", "qos_specs", admin=True),
    Empty("/os-volume-transfer", "transfers"),
    Empty("/os-volume-transfer/detail", "transfers"),
    Empty("/volume-transfers", "transfers", since=55),
    Empty("/volume-transfers/detail", "transfers", since=55),
    Empty("/messages", "messages", since=3),
    Empty("/clusters", "clusters", since=7, admin=True),
    Empty("/clusters/detail", "clusters", since=7, admin=True),
    Empty("/group_types", "group_types", since=11),
    Empty("/groups", "groups", since=13),
    Empty("/groups/detail", "groups", since=13),
    Empty("/group_snapshots", "group_snapshots", since=14),
    Empty("/group_snapshots/detail", "group_snapshots", since=14),
    Empty("/default-types", "default_types", since=62, admin=True),
)


class Misc:
    def __init__(self, model: Model) -> None:
        self._model = model

    def operations(self) -> Iterable[Operation]:
        yield Operation("GET", "/os-availability-zone", self.zones)
        yield Operation("GET", "/os-services", self.services)
        yield Operation("GET", "/scheduler-stats/get_pools", self.pools)
        yield Operation("GET", "/extensions", self.extensions)
        for empty in EMPTY:
            yield Operation("GET", empty.path, _lister(empty), since=empty.since)

    def zones(self, call: Call) -> Reply:  # noqa: ARG002
        zone = {"zoneName": ZONE, "zoneState": {"available": True}}
        return Reply(body={"availabilityZoneInfo": [zone]})

    def services(self, call: Call) -> Reply:
        call.require_admin("volume_extension:services:index")
        now = self._model.stamp()
        hosts = {"cinder-scheduler": "standin", "cinder-volume": HOST.partition("#")[0]}
        shown = [
            {
                "binary": binary,
                "host": host,
                "zone": ZONE,
                "status": "enabled",
                "state": "up",
                "updated_at": now,
                "disabled_reason": None,
                **({"cluster": None} if minor(call) >= 7 else {}),
            }
            for binary, host in hosts.items()
            if call.query.get("binary", binary) == binary and call.query.get("host", host) == host
        ]
        return Reply(body={"services": shown})

    def pools(self, call: Call) -> Reply:
        call.require_admin("scheduler_extension:scheduler_stats:get_pools")
        used = sum(volume["size"] for volume in self._model.volumes)
        pool = {
            "volume_backend_name": "standin",
            "storage_protocol": "standin",
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
            "allocated_capacity_gb": used,
            "multiattach": True,
        }
        with_detail = call.query.get("detail", "").lower() == "true"
        shown = {"name": HOST, **({"capabilities": pool} if with_detail else {})}
        return Reply(body={"pools": [shown]})

    def extensions(self, call: Call) -> Reply:  # noqa: ARG002
        shown = [
            {
                "alias": alias,
                "name": name,
                "description": name,
                "updated": "2017-01-01T00:00:00+00:00",
                "links": [],
            }
            for alias, name in EXTENSIONS.items()
        ]
        return Reply(body={"extensions": shown})


def _lister(empty: Empty) -> Handler:
    def show(call: Call) -> Reply:
        if empty.admin:
            call.require_admin(f"list of {empty.name}")
        return Reply(body={empty.name: []})

    return show

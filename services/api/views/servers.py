"""What a server looks like in answers, field by field, with the versions that have it.

Owns: the full form (show, detail, and PUT from 2.75), the older PUT form, the form in lists.
May not: look anything up; a `PlacedServer` has all it needs. Crash story: none, pure functions.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from common.db.stores.servers import PlacedServer
from common.domain.block_devices import attached
from common.domain.host_status import HostStatus
from common.domain.network_info import vifs
from common.domain.states import FAULT_STATUSES, PROGRESS_STATUSES
from services.api import versions
from services.api.request import Request
from services.api.servers import names
from services.api.versions import before
from services.api.views.fields import OMIT, Field, Getter, View

_EXTENDED = "os_compute_api:os-extended-server-attributes"
_EXTRA_SPECS = "os_compute_api:servers:show:flavor-extra-specs"
_HOST_STATUS = "os_compute_api:servers:show:host_status"
_UNKNOWN_ONLY = "os_compute_api:servers:show:host_status:unknown-only"


def _column(name: str) -> Getter:
    return lambda placed, _request: getattr(placed.server, name)


def _naive(name: str) -> Getter:
    """A time with microseconds and without zone, as usage fields have it."""
    return lambda placed, _request: naive_time(getattr(placed.server, name))


def naive_time(time: dt.datetime | None) -> str | None:
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") if time else None


def addresses(placed: PlacedServer, *, full: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Addresses by network name; `full` with the port's MAC address and the kind of address."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for vif in vifs(placed.server.network_info):
        entries = shown.setdefault(vif["label"], [])
        for ip in vif["fixed_ips"]:
            found = [(ip["address"], ip["version"], "fixed")]
            found += [(a, 6 if ":" in a else 4, "floating") for a in ip.get("floating", ())]
            for address, version, kind in found:
                entry: dict[str, Any] = {"version": version, "addr": address}
                if full:
                    entry["OS-EXT-IPS:type"] = kind
                    entry["OS-EXT-IPS-MAC:mac_addr"] = vif["mac"]
                entries.append(entry)
    return shown


def _flavor_link(placed: PlacedServer, request: Request) -> dict[str, Any]:
    flavorid = placed.server.flavorid
    bookmark = {"rel": "bookmark", "href": request.links.bookmark("flavors", flavorid)}
    return {"id": flavorid, "links": [bookmark]}


def _flavor(placed: PlacedServer, _request: Request) -> dict[str, Any]:
    server = placed.server
    return {
        "vcpus": server.vcpus,
        "ram": server.memory_mib,
        "disk": server.root_gib,
        "ephemeral": server.ephemeral_gib,
        "swap": server.swap_mib,
        "original_name": server.flavor["name"],
    }


def _flavor_with_extra_specs(placed: PlacedServer, request: Request) -> dict[str, Any]:
    return {**_flavor(placed, request), "extra_specs": placed.server.flavor["extra_specs"]}


def _image(placed: PlacedServer, request: Request) -> Any:
    image_ref = placed.server.image_ref
    if not image_ref:
        return ""
    bookmark = {"rel": "bookmark", "href": request.links.bookmark("images", image_ref)}
    return {"id": image_ref, "links": [bookmark]}


def _image_with_properties(placed: PlacedServer, request: Request) -> Any:
    image = _image(placed, request)
    return {**image, "properties": placed.server.image_properties} if image else ""


def _zone(placed: PlacedServer, request: Request) -> str:
    return placed.zone(request.app.settings.api.default_availability_zone)


def _progress(placed: PlacedServer, _request: Request) -> Any:
    return placed.server.progress if placed.server.status in PROGRESS_STATUSES else OMIT


def _fault(placed: PlacedServer, request: Request) -> Any:
    fault = placed.server.fault
    if not fault or placed.server.status not in FAULT_STATUSES:
        return OMIT
    shown = {
        "code": fault["code"],
        "created": _seconds(fault["created"]),
        "message": fault["message"],
    }
    # Details of our own failures may name hosts, which are not the user's business.
    if fault.get("details") and (fault["code"] != 500 or request.can(_EXTENDED)):
        shown["details"] = fault["details"]
    return shown


def _seconds(time: str) -> str:
    moment = dt.datetime.fromisoformat(time)
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _host_status(placed: PlacedServer, request: Request) -> str:
    return placed.host_status(request.app.settings.api.host_status_precedence)


def _host_status_if_unknown(placed: PlacedServer, request: Request) -> Any:
    status = _host_status(placed, request)
    return status if status == HostStatus.UNKNOWN else OMIT


def _security_groups(placed: PlacedServer, _request: Request) -> Any:
    groups = placed.server.security_groups
    return [{"name": name} for name in groups] if groups else OMIT


def _links(placed: PlacedServer, request: Request) -> list[dict[str, str]]:
    return request.links.pair("servers", str(placed.server.uuid))


def _volumes(placed: PlacedServer, _request: Request) -> list[dict[str, Any]]:
    return [{"id": d.volume_id} for d in attached(placed.server.block_devices)]


def _volumes_with_fate(placed: PlacedServer, _request: Request) -> list[dict[str, Any]]:
    return [
        {"id": d.volume_id, "delete_on_termination": d.delete_on_termination}
        for d in attached(placed.server.block_devices)
    ]


# fmt: off
_IN_EVERY_FORM = [
    Field("id", _column("uuid")),
    Field("name", _column("name")),
    Field("status", _column("status")),
    Field("tenant_id", _column("project_id")),
    Field("user_id", _column("user_id")),
    Field("metadata", _column("metadata")),
    Field("hostId", lambda p, _: names.host_id(p.server.project_id, p.server.host)),
    Field("image", _image, until=before(versions.IMAGE_PROPERTIES)),
    Field("image", _image_with_properties, since=versions.IMAGE_PROPERTIES),
    Field("flavor", _flavor_link, until=before(versions.FLAVOR_EMBEDDED)),
    Field("flavor", _flavor, since=versions.FLAVOR_EMBEDDED),
    Field("flavor", _flavor_with_extra_specs, since=versions.FLAVOR_EMBEDDED, policy=_EXTRA_SPECS),
    Field("created", _column("created_at")),
    Field("updated", _column("updated_at")),
    Field("accessIPv4", lambda p, _: p.server.access_ip_v4 or ""),
    Field("accessIPv6", lambda p, _: p.server.access_ip_v6 or ""),
    Field("links", _links),
    Field("OS-DCF:diskConfig", lambda p, _: "AUTO" if p.server.auto_disk_config else "MANUAL"),
    Field("progress", _progress),
    Field("fault", _fault),
    Field("locked", lambda p, _: p.server.locked_by is not None, since=versions.SERVER_LOCKED),
    Field("description", _column("description"), since=versions.OWN_DESCRIPTION),
    Field("tags", _column("tags"), since=versions.SERVER_TAGS),
    Field("trusted_image_certificates", _column("trusted_certs"),
          since=versions.TRUSTED_CERTIFICATES),
    Field("locked_reason", _column("locked_reason"), since=versions.LOCKED_REASON),
    Field("pinned_availability_zone", _column("pinned_availability_zone"),
          since=versions.PINNED_ZONE),
    Field("scheduler_hints", _column("scheduler_hints"), since=versions.SCHEDULER_HINTS),
]
_IN_FULL_FORM = [
    Field("addresses", lambda p, _: addresses(p)),
    Field("config_drive", _column("config_drive")),
    Field("key_name", _column("key_name")),
    Field("security_groups", _security_groups),
    Field("os-extended-volumes:volumes_attached", _volumes,
          until=before(versions.ATTACHED_DELETE_ON_TERMINATION)),
    Field("os-extended-volumes:volumes_attached", _volumes_with_fate,
          since=versions.ATTACHED_DELETE_ON_TERMINATION),
    Field("OS-EXT-AZ:availability_zone", _zone),
    Field("OS-EXT-STS:power_state", _column("power_state")),
    Field("OS-EXT-STS:task_state", _column("task_state")),
    Field("OS-EXT-STS:vm_state", _column("vm_state")),
    Field("OS-SRV-USG:launched_at", _naive("launched_at")),
    Field("OS-SRV-USG:terminated_at", _naive("terminated_at")),
    Field("OS-EXT-SRV-ATTR:host", _column("host"), policy=_EXTENDED),
    Field("OS-EXT-SRV-ATTR:hypervisor_hostname", _column("node"), policy=_EXTENDED),
    Field("OS-EXT-SRV-ATTR:instance_name", lambda p, _: names.instance_name(p.server.uuid),
          policy=_EXTENDED),
    Field("OS-EXT-SRV-ATTR:hostname", _column("hostname"), since=versions.HOSTNAME),
    Field("OS-EXT-SRV-ATTR:hostname", _column("hostname"), policy=_EXTENDED,
          since=versions.EXTENDED_ATTRIBUTES, until=before(versions.HOSTNAME)),
    *(
        Field(f"OS-EXT-SRV-ATTR:{name}", _column(name), policy=_EXTENDED,
              since=versions.EXTENDED_ATTRIBUTES)
        for name in ("reservation_id", "launch_index", "kernel_id", "ramdisk_id",
                     "root_device_name", "user_data")
    ),
    # With both rules allowed the second field overwrites the first.
    Field("host_status", _host_status_if_unknown, since=versions.HOST_STATUS, policy=_UNKNOWN_ONLY),
    Field("host_status", _host_status, since=versions.HOST_STATUS, policy=_HOST_STATUS),
]
_SERVER_GROUPS = Field(
    "server_groups", lambda p, _: [p.server.server_group] if p.server.server_group else [],
    since=versions.GROUPS_OF_SERVER,
)
# fmt: on

DETAIL = View([*_IN_EVERY_FORM, *_IN_FULL_FORM])
"""An entry of GET /servers/detail. host_status is judged for the caller's own project."""
SHOW = View([*_IN_EVERY_FORM, *_IN_FULL_FORM, _SERVER_GROUPS])
"""GET /servers/{id}; render it for the server's project."""
_FULL = versions.FULL_SERVER_ANSWERS
_AFTER_CHANGES = [
    *_IN_EVERY_FORM,
    Field("addresses", lambda p, _: addresses(p, full=False), until=before(_FULL)),
    *(replace(field, since=max(field.since, _FULL)) for field in _IN_FULL_FORM),
    _SERVER_GROUPS,
]
UPDATED = View(_AFTER_CHANGES)
"""PUT /servers/{id}; render it for the server's project."""
REBUILT = View(
    [
        *(field for field in _AFTER_CHANGES if field.name != "OS-EXT-SRV-ATTR:user_data"),
        Field("key_name", _column("key_name"), since=versions.REBUILD_KEY_NAME),
        Field("user_data", _column("user_data"), since=versions.REBUILD_USER_DATA),
    ]
)
"""Rebuild, without the password; render it for the server's project."""


def summary(uuid: Any, name: str, request: Request) -> dict[str, Any]:
    """An entry of GET /servers."""
    return {"id": uuid, "name": name, "links": request.links.pair("servers", str(uuid))}

"""A valid request for operations that take a body, so that authorisation can be tested for all.

An operation is found here by its id, e.g. "POST /flavors"; below the version from which the body
changes, give a function of the microversion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
_UUID = "11111111-2222-3333-4444-555555555555"


def _service_update(v: int) -> Body:
    if v >= 53:
        return {"status": "disabled"}
    return {"host": "somewhere", "binary": "nova-compute"}


def _group(v: int) -> Body:
    policy = {"policy": "affinity"} if v >= 64 else {"policies": ["affinity"]}
    return {"server_group": {"name": "walked", **policy}}


def _create(v: int) -> Body:
    networks = {"networks": "none"} if v >= 37 else {}
    return {"server": {"name": "walked", "flavorRef": "1", "imageRef": _UUID, **networks}}


def _evacuate(v: int) -> Body:
    return {"evacuate": {} if v >= 14 else {"onSharedStorage": False}}


def _migrate_live(v: int) -> Body:
    if v >= 25:
        return {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    wanted = {"host": None, "block_migration": False, "disk_over_commit": False}
    return {"os-migrateLive": wanted}


EXAMPLES: dict[str, Body | Callable[[int], Body]] = {
    "POST /flavors": {"flavor": {"name": "walked", "ram": 1, "vcpus": 1, "disk": 0}},
    "PUT /flavors/{flavor_id}": {"flavor": {"description": None}},
    "POST /flavors/{flavor_id}/action#addTenantAccess": {"addTenantAccess": {"tenant": "t"}},
    "POST /flavors/{flavor_id}/action#removeTenantAccess": {"removeTenantAccess": {"tenant": "t"}},
    "POST /flavors/{flavor_id}/os-extra_specs": {"extra_specs": {"a": "b"}},
    "PUT /flavors/{flavor_id}/os-extra_specs/{key}": {"x": "y"},
    "POST /os-keypairs": {"keypair": {"name": "walked", "public_key": "k"}},
    "PUT /os-services/{id}": _service_update,
    "POST /os-aggregates": {"aggregate": {"name": "walked"}},
    "PUT /os-aggregates/{id}": {"aggregate": {"name": "walked"}},
    "POST /os-aggregates/{id}/action#add_host": {"add_host": {"host": "h"}},
    "POST /os-aggregates/{id}/action#remove_host": {"remove_host": {"host": "h"}},
    "POST /os-aggregates/{id}/action#set_metadata": {"set_metadata": {"metadata": {}}},
    "POST /os-aggregates/{id}/images": {"cache": [{"id": _UUID}]},
    "POST /os-server-groups": _group,
    "PUT /os-hosts/{id}": {"status": "enable"},
    "PUT /os-quota-sets/{project_id}": {"quota_set": {}},
    "PUT /os-quota-class-sets/{id}": {"quota_class_set": {}},
    "POST /servers": _create,
    "PUT /servers/{server_id}": {"server": {"name": "walked"}},
    "POST /servers/{server_id}/action#reboot": {"reboot": {"type": "SOFT"}},
    "POST /servers/{server_id}/action#evacuate": _evacuate,
    "POST /servers/{server_id}/action#rebuild": {"rebuild": {"imageRef": _UUID}},
    "POST /servers/{server_id}/action#resize": {"resize": {"flavorRef": "2"}},
    "POST /servers/{server_id}/action#os-migrateLive": _migrate_live,
    "POST /servers/{server_id}/os-volume_attachments": {"volumeAttachment": {"volumeId": _UUID}},
    "PUT /servers/{server_id}/os-volume_attachments/{id}": {
        "volumeAttachment": {"volumeId": _UUID}
    },
    "POST /servers/{server_id}/action#changePassword": {"changePassword": {"adminPass": "x"}},
    "POST /servers/{server_id}/action#createImage": {"createImage": {"name": "i"}},
    "POST /servers/{server_id}/action#createBackup": {
        "createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}
    },
    "POST /servers/{server_id}/action#os-getConsoleOutput": {"os-getConsoleOutput": {}},
    "POST /servers/{server_id}/action#os-getVNCConsole": {"os-getVNCConsole": {"type": "novnc"}},
    "POST /servers/{server_id}/action#os-getSPICEConsole": {
        "os-getSPICEConsole": {"type": "spice-html5"}
    },
    "POST /servers/{server_id}/action#os-getSerialConsole": {
        "os-getSerialConsole": {"type": "serial"}
    },
    "POST /servers/{server_id}/remote-consoles": {
        "remote_console": {"protocol": "vnc", "type": "novnc"}
    },
    "POST /servers/{server_id}/action#os-resetState": {"os-resetState": {"state": "error"}},
    "POST /servers/{server_id}/action#addSecurityGroup": {"addSecurityGroup": {"name": "g"}},
    "POST /servers/{server_id}/action#removeSecurityGroup": {"removeSecurityGroup": {"name": "g"}},
    "POST /servers/{server_id}/shares": {"share": {"share_id": _UUID}},
    "POST /servers/{server_id}/os-interface": {"interfaceAttachment": {"net_id": _UUID}},
    "POST /servers/{server_id}/action#addFixedIp": {"addFixedIp": {"networkId": _UUID}},
    "POST /servers/{server_id}/action#removeFixedIp": {"removeFixedIp": {"address": "10.0.0.4"}},
    "POST /servers/{server_id}/action#addFloatingIp": {"addFloatingIp": {"address": "10.9.0.4"}},
    "POST /servers/{server_id}/action#removeFloatingIp": {
        "removeFloatingIp": {"address": "10.9.0.4"}
    },
    "POST /os-floating-ips": {"pool": None},
    "POST /os-security-groups": {"security_group": {"name": "g", "description": "d"}},
    "PUT /os-security-groups/{id}": {"security_group": {"name": "g", "description": "d"}},
    "POST /os-security-group-rules": {
        "security_group_rule": {
            "parent_group_id": _UUID,
            "ip_protocol": "tcp",
            "from_port": 1,
            "to_port": 2,
        }
    },
    "POST /os-server-external-events": {
        "events": [{"name": "network-changed", "server_uuid": _UUID}]
    },
    "POST /images/{image_id}/metadata": {"metadata": {"a": "b"}},
    "PUT /images/{image_id}/metadata": {"metadata": {"a": "b"}},
    "PUT /images/{image_id}/metadata/{id}": {"meta": {_UUID: "b"}},
    "POST /servers/{server_id}/metadata": {"metadata": {"a": "b"}},
    "PUT /servers/{server_id}/metadata": {"metadata": {"a": "b"}},
    "PUT /servers/{server_id}/metadata/{id}": {"meta": {"a": "b"}},
    "PUT /servers/{server_id}/tags": {"tags": ["a"]},
    "POST /os-volumes": {"volume": {"size": 1}},
    "POST /os-assisted-volume-snapshots": {
        "snapshot": {
            "volume_id": _UUID,
            "create_info": {"snapshot_id": _UUID, "type": "qcow2", "new_file": "f"},
        }
    },
    "POST /os-snapshots": {"snapshot": {"volume_id": _UUID}},
}


def example(operation_id: str, version: int) -> Body | None:
    """The body to send; None for an operation without an example."""
    found = EXAMPLES.get(operation_id.replace("/os-volumes_boot", "/servers"))
    return found(version) if callable(found) else found

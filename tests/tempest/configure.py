"""`python -m tests.tempest.configure WORKSPACE`: a tempest.conf for the cluster in $MUSTER_HOME.

Owns: what Tempest is told this cloud can do. May not: run anything. What is not there yet stays
switched on as long as Nova has it, so that it counts as failed and not as skipped; off is only what
no simulated host can have, such as a login in a guest.
Crash story: the file is written last.
"""

from __future__ import annotations

import configparser
import json
import sys
from pathlib import Path

from deploy.cli.cloud import Cloud
from deploy.local.home import Home

TRUE = "true"
FALSE = "false"


def configuration(home: Home, workspace: Path) -> configparser.ConfigParser:
    """The whole file; asks the cluster for the ids of its seeds."""
    auth = json.loads(home.clouds_file.read_text())["clouds"]["admin"]["auth"]
    cloud = Cloud(home)
    images = {i["name"]: i["id"] for i in cloud.call("image", "GET", "/v2/images")["images"]}
    networks = cloud.call("network", "GET", "/v2.0/networks")["networks"]
    public = next(n for n in networks if n["router:external"])
    extensions = cloud.call("network", "GET", "/v2.0/extensions")["extensions"]
    patience = {"build_interval": "1", "build_timeout": "60"}
    config = configparser.ConfigParser(interpolation=None)
    config.read_dict(
        {
            "DEFAULT": {"log_dir": str(workspace / "logs"), "log_file": "tempest.log"},
            "oslo_concurrency": {"lock_path": str(workspace / "locks")},
            "auth": {
                "use_dynamic_credentials": TRUE,
                "create_isolated_networks": TRUE,
                "admin_username": auth["username"],
                "admin_password": auth["password"],
                "admin_project_name": auth["project_name"],
                "admin_domain_name": "Default",
                "default_credentials_domain_name": "Default",
            },
            "identity": {"uri_v3": f"{auth['auth_url']}/v3", "region": "RegionOne"},
            "identity-feature-enabled": {"api_v2": FALSE, "trust": FALSE, "access_rules": FALSE},
            "service_available": {
                **dict.fromkeys(("nova", "glance", "neutron", "cinder"), TRUE),
                **dict.fromkeys(("swift", "horizon"), FALSE),
            },
            "enforce_scope": {"nova": TRUE},
            "compute": {
                **patience,
                "image_ref": images["cirros"],
                "image_ref_alt": images["cirros-alt"],
                "certified_image_ref": images["cirros"],
                "certified_image_trusted_certs": "one,another",
                "flavor_ref": "1",
                "flavor_ref_alt": "2",
                "fixed_network_name": "private",
                "min_compute_nodes": str(len(cloud.hosts_up())),
                "max_microversion": "latest",
                "shelved_offload_time": "0",
                # An empty pattern, the default, avoids every host.
                "target_hosts_to_avoid": "-ironic",
            },
            "compute-feature-enabled": {
                **dict.fromkeys(_FEATURES, TRUE),
                "scheduler_enabled_filters": "all",
                "nova_policy_roles": "admin,manager,member,reader",
            },
            "network": {
                "public_network_id": public["id"],
                "floating_network_name": public["name"],
                "project_network_cidr": "10.100.0.0/16",
                "project_network_mask_bits": "28",
            },
            "network-feature-enabled": {
                "api_extensions": ",".join(sorted(e["alias"] for e in extensions)),
                "floating_ips": TRUE,
                "ipv6": TRUE,
            },
            "image": patience,
            "image-feature-enabled": {"import_image": FALSE, "manage_locations": FALSE},
            "volume": {
                **patience,
                "catalog_type": "block-storage",
                "volume_size": "1",
                "volume_type_multiattach": "multiattach",
                "max_microversion": "latest",
            },
            "volume-feature-enabled": {"snapshot": TRUE, "clone": TRUE, "backup": FALSE},
            "validation": {"run_validation": FALSE},
        }
    )
    return config


_FEATURES = (
    "disk_config", "change_password", "console_output", "resize", "pause", "shelve",
    "shelve_migrate", "suspend", "cold_migration", "live_migration", "live_migrate_back_and_forth",
    "block_migration_for_live_migration", "can_migrate_between_any_hosts", "vnc_console",
    "spice_console", "rescue", "stable_rescue", "ide_bus", "enable_instance_password",
    "interface_attach", "snapshot", "personality", "config_drive", "metadata_service",
    "hostname_fqdn_sanitization", "volume_backed_live_migration", "volume_multiattach",
    "swap_volume",
)  # fmt: skip


def main() -> None:
    workspace = Path(sys.argv[1]).resolve()
    for name in ("etc", "logs", "locks"):
        (workspace / name).mkdir(parents=True, exist_ok=True)
    config = configuration(Home.find(), workspace)
    with (workspace / "etc" / "tempest.conf").open("w") as file:
        config.write(file)


if __name__ == "__main__":
    main()

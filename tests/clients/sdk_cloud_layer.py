"""Run inside the environment of openstacksdk: an everyday story with its cloud layer.

Owns: the steps; an assertion that fails ends it. May not: import Muster.
Crash story: the cloud is thrown away afterwards.
"""

# ruff: noqa: T201
from __future__ import annotations

import openstack


def main() -> None:
    cloud = openstack.connect(cloud="demo")
    image, flavor = cloud.get_image("cirros"), cloud.get_flavor("m1.tiny")
    key = cloud.create_keypair("sdk")
    print("key pair", key.fingerprint)

    network = cloud.create_network("sdk")
    subnet = cloud.create_subnet(network.id, cidr="10.77.0.0/24")
    router = cloud.create_router("sdk", ext_gateway_net_id=cloud.get_network("public").id)
    cloud.add_router_interface(router, subnet_id=subnet.id)
    group = cloud.create_security_group("sdk", "made by the sdk")
    cloud.create_security_group_rule(group.id, port_range_min=22, port_range_max=22, protocol="tcp")

    server = cloud.create_server(
        "sdk-1", image=image, flavor=flavor, network=network.id, key_name="sdk",
        security_groups=["sdk"], auto_ip=True, wait=True, meta={"a": "b"},
    )  # fmt: skip
    assert server.status == "ACTIVE", server.status
    server = cloud.get_server(server.id)  # only this reads its interfaces
    assert server.public_v4, "a floating address shows on the server"
    print("server with a floating address", server.public_v4)

    volume = cloud.create_volume(1, name="sdk", wait=True)
    attachment = cloud.attach_volume(server, volume, wait=True)
    assert attachment["volumeId"] == volume.id
    volume = cloud.get_volume(volume.id)
    assert volume.status == "in-use", volume.status
    assert volume.attachments[0]["server_id"] == server.id
    cloud.detach_volume(server, volume, wait=True)
    snapshot = cloud.create_volume_snapshot(volume.id, wait=True)
    print("volume attached, detached, snapshot", snapshot.status)

    booted = cloud.create_server(
        "sdk-2", image=image, flavor=flavor, network=network.id, boot_from_volume=True,
        volume_size=1, terminate_volume=True, volumes=[volume.id], auto_ip=False, wait=True,
    )  # fmt: skip
    assert not booted.image or not booted.image.id, booted.image
    assert len(cloud.get_server(booted.id).attached_volumes) == 2
    root = [each for each in cloud.list_volumes() if each.id != volume.id]
    print("server from a volume, with another", [each.status for each in root])

    made = cloud.create_image_snapshot("sdk-snap", server, wait=True)
    cloud.rebuild_server(server.id, made.id, wait=True)
    cloud.compute.resize_server(server.id, cloud.get_flavor("m1.small").id)
    cloud.compute.wait_for_server(cloud.compute.get_server(server.id), status="VERIFY_RESIZE")
    cloud.compute.confirm_server_resize(server.id)
    cloud.compute.wait_for_server(cloud.compute.get_server(server.id))
    group_of_servers = cloud.create_server_group("sdk", ["soft-anti-affinity"])
    print("snapshot, rebuild, resize, server group", group_of_servers.policies)

    interface = cloud.compute.create_server_interface(server.id, net_id=network.id)
    assert len(list(cloud.compute.server_interfaces(server.id))) == 2
    cloud.compute.delete_server_interface(interface.port_id, server.id)
    console = cloud.compute.get_server_console_output(server.id)["output"]
    assert console, "the console says something"
    url = cloud.compute.create_server_remote_console(server.id, protocol="vnc", type="novnc").url
    print("interface, console", url.split("?")[0])

    assert cloud.delete_server("sdk-2", wait=True)
    assert cloud.delete_server("sdk-1", wait=True, delete_ips=True)
    assert [each.id for each in cloud.list_volumes()] == [volume.id], "its root went with it"
    assert not cloud.list_floating_ips()
    cloud.delete_volume_snapshot(snapshot.id, wait=True)
    cloud.delete_volume(volume.id, wait=True)
    cloud.remove_router_interface(router, subnet_id=subnet.id)
    for what, name in (("router", router.id), ("network", network.id), ("image", made.id)):
        assert getattr(cloud, f"delete_{what}")(name), what
    cloud.delete_security_group("sdk")
    cloud.delete_keypair("sdk")
    cloud.delete_server_group(group_of_servers.id)
    print("everything is gone again")


if __name__ == "__main__":
    main()

"""One full example of every message: the content of the golden files."""

from __future__ import annotations

import datetime as dt

from common.domain.guest_data.facts import Address, GuestFacts, Link, Subnet, TaggedDevice
from common.messages.base import Message
from common.messages.compute import (
    ErrorBody,
    GuestEvent,
    GuestRelease,
    GuestReport,
    GuestSpec,
    Heartbeat,
    HostCommand,
    HostGoodbye,
    HostRecheck,
    HostReply,
    HostReport,
    HostVerdicts,
    LocalDisk,
    NetworkInterface,
    Probe,
    Resources,
    VolumeDevice,
)
from common.messages.faults import FaultRules, FaultRulesAnswer, FaultRuleStatus
from common.messages.network import PortsChanged, VifPlugged
from common.messages.scheduler import HostSelected, SelectHost
from common.messages.workflow import CancelWorkflow, RunWorkflow

SERVER = "6f70656e-7374-6163-6b20-617069206f6b"
REQUEST = "req-6f70656e-7374-6163-6b20-617069206f6b"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)

PROPOSAL = HostSelected(
    request_id=REQUEST,
    host="compute-1",
    node="compute-1",
    availability_zone="nova",
    alternates=["compute-2"],
    reason="No valid host was found.",
    eliminated={"ComputeFilter (down)": 2},
)

FACTS = GuestFacts(
    uuid=SERVER,
    name="web-1",
    hostname="web-1.novalocal",
    project_id="0" * 32,
    reservation_id="r-6f70656e",
    launch_index=1,
    availability_zone="nova",
    flavor_name="m1.small",
    image_id=SERVER,
    root_device="/dev/vda",
    disks=(("ephemeral0", "/dev/vdb"),),
    dedicated_cpus=(1,),
    security_groups=("default",),
    fixed_ips=("10.0.0.5",),
    floating_ips=("172.24.4.5",),
    links=(
        Link(
            port_id=SERVER,
            network_id=SERVER,
            mac="fa:16:3e:00:00:01",
            mtu=1450,
            addresses=(
                Address(
                    "10.0.0.5",
                    Subnet(
                        "10.0.0.0/24",
                        gateway="10.0.0.1",
                        dhcp=True,
                        dns=("10.0.0.2",),
                        routes=(("10.1.0.0/16", "10.0.0.9"),),
                    ),
                ),
            ),
        ),
    ),
    devices=(TaggedDevice("nic", "public", "pci", "0000:00:03.0", mac="fa:16:3e:00:00:01"),),
    vendor_data={"region": "north"},
    vendor_data2={"static": {"region": "north"}, "directory": {"token": "t"}},
)

SPEC = GuestSpec(
    uuid=SERVER,
    generation=2,
    name="web-1",
    hostname="web-1",
    project_id="0" * 32,
    user_id="1" * 32,
    vcpus=2,
    memory_mib=2048,
    root_gib=20,
    ephemeral_gib=1,
    swap_mib=512,
    flavor={"id": "2", "extra_specs": {"hw:cpu_policy": "shared"}},
    image_id=SERVER,
    image_properties={"hw_disk_bus": "virtio"},
    interfaces=[
        NetworkInterface(
            port_id=SERVER,
            mac_address="fa:16:3e:00:00:01",
            network_id=SERVER,
            fixed_ips=["10.0.0.5"],
            tag="public",
        )
    ],
    metadata={"role": "web"},
    key_name="k1",
    public_key="ssh-ed25519 AAAA k1",
    user_data="IyEvYmluL3NoCg==",
    config_drive=True,
    power_on=False,
    volumes=[
        VolumeDevice(
            volume_id=SERVER,
            attachment_id=SERVER,
            device_name="/dev/vda",
            size_gib=10,
            boot_index=0,
            disk_bus="virtio",
            device_type="disk",
            tag="root",
            read_only=True,
            connection={"driver_volume_type": "iscsi", "target_lun": 1},
        )
    ],
    local_disks=[
        LocalDisk(
            device_name="/dev/vdb",
            source="blank",
            size=1,
            guest_format="ext4",
            boot_index=1,
            disk_bus="virtio",
            device_type="disk",
            tag="scratch",
        )
    ],
    facts=FACTS,
    sealed_secrets="c2VhbGVk",
)

RESOURCES = Resources(
    hypervisor_hostname="compute-1",
    hypervisor_type="simulated",
    hypervisor_version=1,
    host_ip="127.0.0.1",
    vcpus=16,
    memory_mib=65536,
    disk_gib=1000,
    reserved_vcpus=1,
    reserved_memory_mib=512,
    reserved_disk_gib=10,
    cpu_info={"arch": "x86_64"},
    supported_instances=[["x86_64", "simulated", "hvm"]],
    uptime="up 1 day",
    running_guests=3,
    booted_at=NOW,
)

EXAMPLES: list[Message] = [
    HostCommand(
        request_id=REQUEST,
        workflow_id=17,
        step="spawn.spawn",
        attempt=1,
        server_uuid=SERVER,
        generation=2,
        verb="spawn",
        spec=SPEC,
        params={"hard": True},
        sent_at=NOW,
    ),
    HostReply(
        request_id=REQUEST,
        command_id="17:spawn.spawn:1",
        error=ErrorBody(code="host_command_failed", message="no such image"),
        power_state=1,
        result={"output": "login:"},
    ),
    Heartbeat(
        host="compute-1", epoch=SERVER, uptime="up 1 day", running_guests=3, inventory="a1b2"
    ),
    Probe(),
    HostReport(
        kind="hello",
        host="compute-1",
        host_id=SERVER,
        epoch=SERVER,
        resources=RESOURCES,
        guests=[
            GuestReport(
                uuid=SERVER, generation=2, power_state=1, held=True, pending=True, workflow_id=17
            ),
        ],
        inventory="a1b2",
    ),
    HostVerdicts(accepted=False, reason="another machine", verdicts={SERVER: "destroy"}),
    HostGoodbye(host="compute-1", epoch=SERVER, guests_stopped=False),
    GuestEvent(host="compute-1", epoch=SERVER, server_uuid=SERVER, generation=2, power_state=4),
    HostRecheck(host="compute-1"),
    GuestRelease(host="compute-1", server_uuid=SERVER, generation=2, sent_at=NOW),
    FaultRules(
        request_id=REQUEST,
        action="add",
        rule={"effect": "error", "verb": "spawn", "count": 1},
        rule_id="compute-1-fault-1",
    ),
    FaultRulesAnswer(
        request_id=REQUEST,
        error=ErrorBody(code="unsupported", message="host compute-1 takes no fault rules"),
        rules=[FaultRuleStatus(rule={"effect": "error", "id": "compute-1-fault-1"}, fired=1)],
    ),
    RunWorkflow(request_id=REQUEST, workflow_id=17, server_uuid=SERVER, proposal=PROPOSAL),
    CancelWorkflow(request_id=REQUEST, server_uuid=SERVER),
    SelectHost(
        request_id=REQUEST,
        server_uuid=SERVER,
        project_id="0" * 32,
        vcpus=2,
        memory_mib=2048,
        disk_gib=22,
        purpose="migration",
        flavor={"id": "2"},
        image_properties={"hw_disk_bus": "virtio"},
        availability_zone="nova",
        force_host="compute-1",
        requested_host="compute-2",
        exclude_hosts=["compute-3"],
        image_id=SERVER,
        scheduler_hints={"same_host": [SERVER]},
        server_group=SERVER,
        workflow_id=17,
        fresh=True,
        wakes=True,
    ),
    PROPOSAL,
    PortsChanged(request_id=REQUEST, servers=[SERVER]),
    VifPlugged(request_id=REQUEST, server_uuid=SERVER, port_id=SERVER, failed=True),
]

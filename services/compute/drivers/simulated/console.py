"""The console text of a simulated guest, made on demand from its history.

Owns: the wording. May not: keep anything; the history is part of the guest's stored state, so the
same text comes back after a restart of the agent.
Crash story: none.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Sequence

from common.domain.guest_data.openstack import decoded
from common.messages.compute import GuestSpec, LocalDisk, VolumeDevice
from services.compute.drivers.simulated.store import Guest

_BOOT = """\
[    0.000000] Booting simulated guest {name} ({uuid})
[    0.000000] Command line: root=/dev/vda1 console=ttyS0{rescue}
[    0.004112] CPU: {vcpus} virtual processors
[    0.010020] Memory: {memory_mib} MiB available
[    0.118377] Image: {image}
[    0.233120] {root}
{disks}[    0.341984] EXT4-fs (vda1): mounted filesystem
[    0.502771] init: entering runlevel 3
{interfaces}
[    0.910233] cloud-init: instance-id {uuid}, hostname {hostname}
[    0.987650] cloud-init: public key {key}
{given}[    1.204001] sshd: listening on port 22
{stamp} boot finished

{hostname} login:"""

_LINES = {
    "boot": _BOOT,
    "reboot": "{stamp} reboot: restarting system\n" + _BOOT,
    "shutdown": "{stamp} reboot: power down",
    "panic": "{stamp} Kernel panic - not syncing: simulated crash",
    "nmi": "{stamp} NMI received: writing crash dump to /var/crash",
    "pause": "{stamp} clocksource: stopped",
    "unpause": "{stamp} clocksource: running again",
    "suspend": "{stamp} PM: suspend entry",
    "resume": "{stamp} PM: suspend exit",
    "password": "{stamp} passwd: password of the administrator changed",
    "attached": "{stamp} hotplug: a disk has come",
    "detached": "{stamp} hotplug: a disk has gone",
    "swapped": "{stamp} hotplug: a disk has been replaced",
    "layered": "{stamp} storage: a disk goes on in a new file",
    "merged": "{stamp} storage: two files of a disk are one",
    "extended": "{stamp} hotplug: a disk has grown",
    "left": "{stamp} migration: leaving this host",
    "migrated": "{stamp} migration: running on a new host",
    "interface": "{stamp} pci: network interfaces changed\n{interfaces}",
}

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def _printable(text: str) -> str:
    """Names come from users: one that holds a line break must not add lines."""
    return _UNPRINTABLE.sub("?", text)


def _key(guest: Guest) -> str:
    """Its name and fingerprint."""
    spec = guest.spec
    if spec.key_name is None:
        return "none"
    return f"{spec.key_name} {fingerprint(spec.public_key or '')}"


def fingerprint(public_key: str) -> str:
    """As `ssh-keygen -l` shows it; of the whole text for what is no SSH key."""
    words = public_key.split()
    try:
        material = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError):
        material = public_key.encode()
    digest = base64.b64encode(hashlib.sha256(material).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _given(guest: Guest) -> list[str]:
    """What the guest has been given, as far as others may see it."""
    lines = []
    if guest.drive_bytes is not None:
        lines.append(f"config drive found, {guest.drive_bytes} bytes")
    if guest.spec.user_data is not None:
        user_data = decoded(guest.spec.user_data)
        digest = hashlib.sha256(user_data).hexdigest()
        lines.append(f"user data received, {len(user_data)} bytes, sha256 {digest}")
    lines += [f"file injected: {path}" for path in guest.files]
    if guest.rescue_password if guest.rescue_image else guest.password:
        lines.append("password of the administrator was set")
    return lines


def render(guest: Guest, length: int | None) -> str:
    """The last `length` lines, all when None or negative. The last has no newline: clients that
    ask for n lines expect n when they split at newlines."""
    text = _lines(guest, guest.history)
    if length is not None and length >= 0:
        text = text[len(text) - min(length, len(text)) :]
    return "\n".join(text)


def render_last(guest: Guest) -> str:
    """What the newest event has added."""
    return "\n".join(_lines(guest, guest.history[-1:]))


def _lines(guest: Guest, history: Sequence[tuple[float, str]]) -> list[str]:
    spec = guest.spec
    facts: dict[str, str] = {
        "name": spec.name,
        "uuid": spec.uuid,
        "hostname": spec.hostname,
        "vcpus": str(spec.vcpus),
        "memory_mib": str(spec.memory_mib),
        "image": spec.image_id or "none",
        "key": _key(guest),
        "rescue": f" rescue={guest.rescue_image}" if guest.rescue_image else "",
    }
    facts = {name: _printable(value) for name, value in facts.items()}
    facts["interfaces"] = (
        "\n".join(
            f"[    0.7{n:02}000] eth{n}: {i.mac_address} {' '.join(i.fixed_ips) or 'no address'}"
            for n, i in enumerate(spec.interfaces)
        )
        or "[    0.700000] net: no interfaces"
    )
    facts["given"] = "".join(
        f"[    1.{n:03}000] cloud-init: {_printable(line)}\n"
        for n, line in enumerate(_given(guest))
    )
    facts["root"], facts["disks"] = _root(spec), _disks(spec)
    text: list[str] = []
    for when, kind in history:
        stamp = dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        text += _LINES[kind].format(stamp=stamp, **facts).split("\n")
    return text


def _root(spec: GuestSpec) -> str:
    volume = next((v for v in spec.volumes if v.boot_index == 0), None)
    if volume is None:
        return f"vda: {spec.root_gib} GiB root disk"
    return f"{_bare(volume.device_name)}: {volume.size_gib} GiB root volume {volume.volume_id}"


def _disks(spec: GuestSpec) -> str:
    """A line for each disk that is not the root."""
    lines = [
        f"{_bare(v.device_name)}: {v.size_gib} GiB volume {v.volume_id} {_hints(v)}"
        for v in spec.volumes
        if v.boot_index != 0
    ]
    lines += [
        f"{_bare(d.device_name)}: {'swap' if d.guest_format == 'swap' else 'local'} disk "
        f"{d.guest_format or ''} {_hints(d)}"
        for d in spec.local_disks
        if d.boot_index != 0
    ]
    # What comes from users must not add lines.
    return "".join(
        f"[    0.2{n:02}500] {_UNPRINTABLE.sub('?', line).strip()}\n"
        for n, line in enumerate(lines, 34)
    )


def _bare(name: str | None) -> str:
    return (name or "disk").removeprefix("/dev/")


def _hints(disk: VolumeDevice | LocalDisk) -> str:
    return " ".join(hint for hint in (disk.disk_bus, disk.device_type, disk.tag) if hint)

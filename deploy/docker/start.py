"""The image's entry point: `start.py api` becomes that service, anything else is for `muster`.

Owns: giving a container its name. Compose calls containers project-compute-1, but inside one only
a random hostname is known; the network's own name service is asked which container has our
address, and the answer is kept beside the state, so that a restarted container is the same host.
May not: know what a service does. Crash story: the name is written in one step, or asked again.
"""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import socket
import sys
from pathlib import Path

SERVICES = frozenset(
    {"api", "conductor", "scheduler", "compute", "consoles", "metadata", "standins"}
)
NAMELESS = frozenset({"consoles", "metadata", "standins"})
"""Services that are nowhere listed by name."""
DOCKER_DNS = ("127.0.0.11", 53)
_RANDOM_HOSTNAME = re.compile(r"[0-9a-f]{12}")


def reverse_lookup(address: str, server: tuple[str, int], timeout_s: float = 2.0) -> str | None:
    """The name that the network's DNS has for `address`.

    The C library cannot be asked: it finds the random hostname in /etc/hosts first.
    """
    query_id = os.urandom(2)
    labels = [*reversed(address.split(".")), "in-addr", "arpa"]
    question = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    packet = query_id + b"\1\0\0\1\0\0\0\0\0\0" + question + b"\0\x0c\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        dns.settimeout(timeout_s)
        dns.sendto(packet, server)
        answer = dns.recv(1024)
    if answer[:2] != query_id or int.from_bytes(answer[6:8], "big") == 0:
        return None
    _, at = _read_name(answer, len(packet))  # the answer repeats the question's name ...
    name, _ = _read_name(answer, at + 10)  # ... then type, class, time to live and length
    return name or None


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """A DNS name, which may end in a pointer to an earlier one, and where it ends."""
    labels = []
    while 0 < message[at] < 0xC0:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    if message[at] == 0:
        return ".".join(labels), at + 1
    rest, _ = _read_name(message, int.from_bytes(message[at : at + 2], "big") & 0x3FFF)
    return ".".join([*labels, rest]), at + 2


def container_name(service: str) -> str:
    """`compute-2` for the second container of the compose service `compute`; else the hostname."""
    own = socket.gethostname()
    if not _RANDOM_HOSTNAME.fullmatch(own):
        return own
    with contextlib.suppress(OSError, IndexError):
        known_as = reverse_lookup(socket.gethostbyname(own), DOCKER_DNS) or ""
        found = re.search(rf"{service}[-_](\d+)(?:[._]|$)", known_as)
        if found:
            return f"{service}-{found.group(1)}"
    return own


def host_name(state_dir: Path) -> str:
    """The name of this compute host, the same for as long as its state lives."""
    file = state_dir / "host-name"
    if file.exists():
        return file.read_text().strip()
    name = container_name("compute")
    state_dir.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(f"{name}\n")
    draft.replace(file)
    return name


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in SERVICES:
        service = sys.argv[1]
        variable = f"MUSTER_{service.upper()}__HOST_NAME"
        if service == "compute":
            state = Path(os.environ.get("MUSTER_COMPUTE__STATE_DIR", "/var/lib/muster/compute"))
            os.environ.setdefault(variable, host_name(state))
        elif service not in NAMELESS:
            os.environ.setdefault(variable, container_name(service))
        sys.argv = [f"muster-{service}"]
        runpy.run_module(f"services.{service}", run_name="__main__")
    else:
        from deploy.cli.app import main as command_line

        command_line()


if __name__ == "__main__":
    main()

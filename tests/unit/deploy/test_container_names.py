"""A container finds the name that compose gave it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from deploy.docker import start

NAME = b"\x10muster_compute_2\x0emuster_default\x00"
POINTED = b"\x10muster_compute_2\xc0\x0c"
"""Ends in a pointer to the question's name, as a DNS server may write it."""


def dns_server(rdata: bytes, *, repeat_name: bool) -> tuple[str, int]:
    """Answers one question with `rdata`; the port it listens on."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        query, client = server.recvfrom(512)
        owner = query[12:-4] if repeat_name else b"\xc0\x0c"
        record = owner + b"\0\x0c\0\1\0\0\2\x58" + len(rdata).to_bytes(2, "big") + rdata
        server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + record, client)
        server.close()

    threading.Thread(target=serve, daemon=True).start()
    address: tuple[str, int] = server.getsockname()
    return address


@pytest.mark.parametrize("repeat_name", [True, False])
def test_the_networks_name_is_read(repeat_name: bool) -> None:
    server = dns_server(NAME, repeat_name=repeat_name)
    assert start.reverse_lookup("172.19.0.9", server) == "muster_compute_2.muster_default"


def test_a_pointer_in_a_name_is_followed() -> None:
    found = start.reverse_lookup("172.19.0.9", dns_server(POINTED, repeat_name=False))
    assert found == "muster_compute_2.9.0.19.172.in-addr.arpa"


@pytest.mark.parametrize("known_as", ["p_compute_2.p_default", "p-compute-2.p_default"])
def test_both_generations_of_compose_are_understood(
    known_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "0123456789ab")
    monkeypatch.setattr(socket, "gethostbyname", lambda _name: "172.19.0.9")
    monkeypatch.setattr(start, "reverse_lookup", lambda *_: known_as)
    assert start.container_name("compute") == "compute-2"


def test_a_hostname_that_somebody_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "rack7-node3")
    assert start.container_name("compute") == "rack7-node3"


def test_a_host_keeps_its_name_with_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "container_name", lambda _service: "compute-1")
    assert start.host_name(tmp_path) == "compute-1"
    monkeypatch.setattr(start, "container_name", lambda _service: "compute-9")
    assert start.host_name(tmp_path) == "compute-1"

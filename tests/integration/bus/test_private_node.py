"""The private RabbitMQ of local clusters and tests."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

import pytest

from deploy.local import rabbitmq
from deploy.local.home import LocalClusterError
from deploy.local.rabbitmq import PrivateRabbitMQ


def processes_of(node: PrivateRabbitMQ) -> list[str]:
    """Commands of everything that runs with the node's data directory as its home."""
    mark = f"HOME={node.data_dir}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "comm").read_text().strip())
            except OSError:
                continue
    return found


def listeners_of(node: PrivateRabbitMQ) -> set[str]:
    """Local addresses on which the node's process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{node.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.add(fields[1].split(":")[0])
    return addresses


def test_node_is_private_and_leaves_nothing_running(tmp_path: Path) -> None:
    node = PrivateRabbitMQ(tmp_path / "node")
    node.start()
    try:
        assert listeners_of(node) == {"0100007F"}, "127.0.0.1 as the kernel writes it"
        assert {"beam.smp", "epmd"} <= set(processes_of(node))
        for secret in ("password", ".erlang.cookie", "rabbitmq.conf"):
            assert stat.S_IMODE((node.data_dir / secret).stat().st_mode) & 0o077 == 0
        assert node.password not in node.url
    finally:
        node.stop()
    assert node.pid is None
    assert set(processes_of(node)) <= {"inet_gethost"}, "a helper that ends by itself"
    again = PrivateRabbitMQ(tmp_path / "node")
    assert (again.url, again.password) == (node.url, node.password)


def test_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        node = PrivateRabbitMQ(tmp_path / "node", port)
        with pytest.raises(LocalClusterError, match=f"port {port} is used by another process"):
            node.start()


def test_missing_rabbitmq_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "SCRIPTS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalClusterError, match=r"install rabbitmq-server .* or .*--broker-url"):
        PrivateRabbitMQ(tmp_path / "node")


def test_broken_node_points_to_its_log(tmp_path: Path) -> None:
    node = PrivateRabbitMQ(tmp_path / "node")
    (node.data_dir / "advanced.config").write_text("not a term")
    with pytest.raises(LocalClusterError, match=r"did not start .*node\.log"):
        node.start()
    assert node.pid is None

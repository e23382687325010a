"""What can be done to a running cluster, and HTTP over a unix socket, by which it is done.

Owns: the protocol that both kinds of clusters fulfil. May not: know either kind.
Crash story: none; nothing is remembered here.
"""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.messages.base import Message

TIMEOUT_S = 60.0


class Control(Protocol):
    """What the command line can do to a running cluster."""

    def members(self) -> list[dict[str, Any]]:
        """Dicts with name, kind, state (running, stopped, killed, frozen, ...) and pid."""

    def act(self, action: str, name: str) -> str:
        """Carry out one of ACTIONS; returns the new state."""

    def ask(self, questions: Mapping[str, Message]) -> dict[str, Message]:
        """The answers of hosts to messages, over the cluster's bus."""

    def down(self) -> None:
        """Ask for an orderly end of the whole cluster."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

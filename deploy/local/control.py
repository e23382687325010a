"""Talking to a running local cluster: status, kill, freeze, cut, ask, down, ...

Owns: the control socket of the one-process cluster (both ends) and the same operations on a
cluster of processes through supervisor's socket.
May not: be reachable from the network; the sockets' permissions are the protection.
Crash story: no socket answers means no cluster runs; nothing is remembered here.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deploy.local.home import Home, LocalClusterError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aiohttp import web

    from common.messages.base import Message
    from deploy.local.embedded import EmbeddedCluster

ACTIONS = ("kill", "stop", "start", "freeze", "thaw", "cut", "mend")
TIMEOUT_S = 60.0


async def serve(cluster: EmbeddedCluster, path: Path, stop: asyncio.Event) -> web.AppRunner:
    """Listen on the unix socket `path` for `ControlClient`s."""
    from aiohttp import web

    from common.messages.base import decode, encode

    async def status(_request: web.Request) -> web.Response:
        return web.json_response({"members": cluster.status()})

    async def act(request: web.Request) -> web.Response:
        action, name = request.match_info["action"], request.match_info["name"]
        if action not in ACTIONS:
            return web.json_response({"error": f"unknown action {action}"}, status=404)
        try:
            return web.json_response({"state": await cluster.act(action, name)})
        except LocalClusterError as error:
            return web.json_response({"error": str(error)}, status=400)

    async def ask(request: web.Request) -> web.Response:
        questions = {host: decode(q.encode()) for host, q in (await request.json()).items()}
        try:
            answers = await cluster.ask(questions)
        except LocalClusterError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({host: encode(a).decode() for host, a in answers.items()})

    async def down(_request: web.Request) -> web.Response:
        stop.set()
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/status", status)
    app.router.add_post("/down", down)
    app.router.add_post("/ask", ask)
    app.router.add_post("/{action}/{name}", act)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - before anything runs
    await web.UnixSite(runner, str(path)).start()
    path.chmod(0o600)  # noqa: ASYNC240
    return runner


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


class EmbeddedControl(Control):
    def __init__(self, home: Home) -> None:
        self._path = home.control_socket

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        connection = UnixConnection(self._path)
        try:
            connection.request(method, path, None if content is None else json.dumps(content))
            answer = connection.getresponse()
            body: dict[str, Any] = json.loads(answer.read())
        except OSError as error:
            raise LocalClusterError(f"the cluster does not answer ({error})") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise LocalClusterError(body.get("error", f"status {answer.status}"))
        return body

    def members(self) -> list[dict[str, Any]]:
        members: list[dict[str, Any]] = self._ask("GET", "/status")["members"]
        return members

    def act(self, action: str, name: str) -> str:
        return str(self._ask("POST", f"/{action}/{name}")["state"])

    def ask(self, questions: Mapping[str, Message]) -> dict[str, Message]:
        from common.messages.base import decode, encode

        asked = {host: encode(question).decode() for host, question in questions.items()}
        answers = self._ask("POST", "/ask", asked)
        return {host: decode(answer.encode()) for host, answer in answers.items()}

    def down(self) -> None:
        self._ask("POST", "/down")


def read_cluster(home: Home) -> dict[str, Any] | None:
    """cluster.json of the cluster that runs now; None when none does."""
    if not is_locked(home):
        return None
    try:
        description: dict[str, Any] = json.loads(home.cluster_file.read_text())
    except (OSError, ValueError):
        return None
    return description


def is_locked(home: Home) -> bool:
    """Whether a cluster lives in `home`: the kernel knows, whatever files were left behind."""
    import fcntl

    try:
        lock = os.open(home.lock_file, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def connect(home: Home) -> Control:
    """The control of the running cluster; raises when none runs."""
    cluster = read_cluster(home)
    if cluster is None:
        state = "is still starting" if is_locked(home) else "is not running"
        raise LocalClusterError(f"the cluster in {home.path} {state}; start one with: ./muster up")
    if cluster["mode"] == "processes":
        from deploy.local.supervisor import SupervisorControl

        return SupervisorControl(home)
    return EmbeddedControl(home)

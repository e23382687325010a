"""Talking to a running local cluster: status, kill, freeze, cut, ask, down, ...

Owns: the control socket of the one-process cluster (both ends) and the same operations on a
cluster of processes through supervisor's socket.
May not: be reachable from the network; the sockets' permissions are the protection.
Crash story: no socket answers means no cluster runs; nothing is remembered here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.local.home import Home, LocalClusterError
from deploy.local.locked import is_locked, read_cluster
from deploy.local.unix_control import Control, UnixConnection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aiohttp import web

    from common.messages.base import Message
    from deploy.local.embedded import EmbeddedCluster

__all__ = ["ACTIONS", "Control", "EmbeddedControl", "connect", "is_locked", "read_cluster", "serve"]

ACTIONS = ("kill", "stop", "start", "freeze", "thaw", "cut", "mend")


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

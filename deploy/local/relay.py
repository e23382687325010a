"""A TCP relay between the services of a local cluster and what they lean on: a network to cut.

Owns: one listener on 127.0.0.1 for each line (a member of the cluster and a service it talks to),
the bytes on their way, `cut` and `mend`.
A cut line is silent: what is sent is held back, nothing is refused, no end of a connection passes
in either direction, and new connections get no further than their acceptance. So whoever is behind
it neither hears nor is told that it cannot, as with an unplugged cable, and goes on running.
`mend` lets everything held back arrive late, the ends of connections that were given up meanwhile
included; `mend(reset=True)` breaks the connections instead, as a firewall that has forgotten them.
May not: look into the bytes, know any protocol, need rights that its caller has not.
Bounded: while a line is cut, a connection holds what the sockets' buffers take, and at most
`LIMIT` connections exist on it. Crash story: connections through it break; a cut is not remembered.
`python -m deploy.local.relay FILE` serves the lines in FILE until SIGTERM, and is told what to do
by HTTP on the unix socket named there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from deploy.local.home import LocalClusterError
from deploy.local.unix_control import UnixConnection

ADDRESS = "127.0.0.1"
CHUNK = 65536
LIMIT = 256


@dataclass(frozen=True)
class Line:
    """From a member to a service: `port` here stands for `host` and `target_port`, or for the unix
    socket `path`, there. Port 0: a free one."""

    member: str
    service: str
    port: int
    host: str = ""
    target_port: int = 0
    path: str = ""


class _End(NamedTuple):
    """One side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """Break it so that the peer is told (RST)."""
        wire = self.writer.get_extra_info("socket")
        if wire is not None and wire.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class RelayedLine:
    """One line at work."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.bytes = 0
        self._whole = asyncio.Event()
        self._whole.set()
        self._connections: dict[asyncio.Task[Any], list[_End]] = {}
        self._server: asyncio.Server | None = None

    @property
    def is_cut(self) -> bool:
        return not self._whole.is_set()

    @property
    def connections(self) -> int:
        """Connections that are open, or that wait behind the cut."""
        return len(self._connections)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, ADDRESS, self.line.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._break()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _break(self) -> None:
        """Reset every connection: each then ends by itself."""
        for ends in self._connections.values():
            for end in ends:
                end.reset()
        self._whole.set()

    def cut(self) -> None:
        """Nothing passes from now on. Repeating it is harmless."""
        self._whole.clear()

    def mend(self, *, reset: bool = False) -> None:
        """Everything passes again; with `reset` over new connections only."""
        if self.is_cut and reset:
            self._break()
        self._whole.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until both of its directions have ended."""
        near = _End(reader, writer)
        task = asyncio.current_task()
        if task is None or len(self._connections) >= LIMIT:
            near.reset()
            return
        ends = self._connections[task] = [near]
        try:
            await self._whole.wait()
            far = _End(*await self._connect())
            ends.append(far)
            await asyncio.gather(self._pump(near, far), self._pump(far, near))
        except OSError:
            near.reset()
        finally:
            del self._connections[task]
            for end in ends:
                end.writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.line.path:
            return await asyncio.open_unix_connection(self.line.path)
        return await asyncio.open_connection(self.line.host, self.line.target_port)

    async def _pump(self, source: _End, sink: _End) -> None:
        """One direction. Also an end or a failure of `source` is news that a cut holds back."""
        try:
            while data := await source.reader.read(CHUNK):
                await self._whole.wait()
                sink.writer.write(data)
                self.bytes += len(data)
                await sink.writer.drain()
            await self._whole.wait()
            sink.writer.write_eof()
        except OSError:
            await self._whole.wait()
            source.reset()
            sink.reset()


class Relay:
    """All lines of a cluster."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = [RelayedLine(line) for line in lines]

    async def start(self) -> None:
        for line in self.lines:
            await line.start()

    async def stop(self) -> None:
        for line in self.lines:
            await line.stop()

    def chosen(self, member: str, services: Iterable[str] = ()) -> list[RelayedLine]:
        """The lines of a member to some services (none: to all); raises `LocalClusterError`."""
        wanted = set(services)
        found = [
            line
            for line in self.lines
            if line.line.member == member and (not wanted or line.line.service in wanted)
        ]
        if not found or len(found) < len(wanted):
            known = sorted(f"{line.line.member} to {line.line.service}" for line in self.lines)
            raise LocalClusterError(
                f"no line from {member!r} to {', '.join(sorted(wanted)) or 'anything'}; "
                f"there are: {', '.join(known)}"
            )
        return found

    def status(self) -> list[dict[str, Any]]:
        return [
            {
                "member": line.line.member,
                "service": line.line.service,
                "cut": line.is_cut,
                "connections": line.connections,
                "bytes": line.bytes,
            }
            for line in self.lines
        ]


def line_to(url: str, member: str, service: str, port: int) -> tuple[Line, str]:
    """A line that stands for what `url` (of a broker or a database, without a password) names, and
    the URL that leads through it."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "amqps":
        raise LocalClusterError("a broker behind TLS cannot be relayed: its name would not fit")
    default = 5672 if parts.scheme == "amqp" else 5432
    directory = query.get("host", "")
    if directory.startswith("/"):
        del query["host"]
        target: dict[str, Any] = {"path": f"{directory}/.s.PGSQL.{parts.port or default}"}
    else:
        target = {"host": parts.hostname or ADDRESS, "target_port": parts.port or default}
    user = f"{parts.username}@" if parts.username else ""
    through = parts._replace(netloc=f"{user}{ADDRESS}:{port}", query=urlencode(query))
    return Line(member, service, port, **target), through.geturl()


def write_plan(path: Path, control: Path, lines: Iterable[Line]) -> None:
    """The FILE of a relay; `control` is the unix socket on which it is told what to do."""
    plan = {"control": str(control), "lines": [asdict(line) for line in lines]}
    path.write_text(json.dumps(plan, indent=2) + "\n")


async def serve(relay: Relay, control: Path, stop: asyncio.Event) -> None:
    """Relay until `stop`, obeying `RelayControl`s."""
    from aiohttp import web

    async def status(_request: web.Request) -> web.Response:
        return web.json_response({"lines": relay.status()})

    async def act(request: web.Request) -> web.Response:
        order = await request.json()
        try:
            lines = relay.chosen(order["member"], order["services"])
        except LocalClusterError as error:
            return web.json_response({"error": str(error)}, status=400)
        for line in lines:
            line.cut() if order["cut"] else line.mend(reset=order["reset"])
        return web.json_response({"connections": sum(line.connections for line in lines)})

    app = web.Application()
    app.router.add_get("/", status)
    app.router.add_post("/", act)
    runner = web.AppRunner(app, access_log=None)
    await relay.start()
    await runner.setup()
    try:
        control.unlink(missing_ok=True)  # noqa: ASYNC240 - before anything runs
        await web.UnixSite(runner, str(control)).start()
        control.chmod(0o600)  # noqa: ASYNC240
        await stop.wait()
    finally:
        await runner.cleanup()
        await relay.stop()


class RelayControl:
    """Tells a running relay what to do; raises `LocalClusterError` when there is none."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def _ask(self, method: str, content: Any = None) -> dict[str, Any]:
        connection = UnixConnection(self._control)
        try:
            connection.request(method, "/", None if content is None else json.dumps(content))
            answer = connection.getresponse()
            body: dict[str, Any] = json.loads(answer.read())
        except OSError as error:
            raise LocalClusterError(
                "the cluster has no network that could be cut; start one with: "
                "./muster up --processes --cuttable"
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise LocalClusterError(body.get("error", f"status {answer.status}"))
        return body

    def status(self) -> list[dict[str, Any]]:
        """Dicts with member, service, cut, connections and bytes."""
        lines: list[dict[str, Any]] = self._ask("GET")["lines"]
        return lines

    def cut_members(self) -> set[str]:
        """Members that have a cut line; none when there is no relay."""
        try:
            return {line["member"] for line in self.status() if line["cut"]}
        except LocalClusterError:
            return set()

    def cut(self, member: str, services: Iterable[str] = ()) -> int:
        """How many connections hang now."""
        return self._act(member, services, cut=True)

    def mend(self, member: str, services: Iterable[str] = (), *, reset: bool = False) -> int:
        return self._act(member, services, reset=reset)

    def _act(
        self, member: str, services: Iterable[str], *, cut: bool = False, reset: bool = False
    ) -> int:
        order = {"member": member, "services": list(services), "cut": cut, "reset": reset}
        return int(self._ask("POST", order)["connections"])


async def _main(file: Path) -> None:
    plan = json.loads(file.read_text())  # noqa: ASYNC240 - before anything runs
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    relay = Relay(Line(**line) for line in plan["lines"])
    await serve(relay, Path(plan["control"]), stop)


if __name__ == "__main__":
    try:
        asyncio.run(_main(Path(sys.argv[1])))
    except OSError as problem:
        sys.exit(f"relay: {problem}")

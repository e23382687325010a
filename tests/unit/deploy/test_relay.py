"""The relay over real sockets: what passes, what is held back, and what its ends are told."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from deploy.local import relay as relays
from deploy.local.home import LocalClusterError
from deploy.local.relay import Line, Relay, RelayControl, RelayedLine, line_to
from tests.support.wait import wait_for


class Service:
    """Keeps what it hears; each connection's end is noted."""

    def __init__(self) -> None:
        self.heard = b""
        self.connected: list[asyncio.StreamWriter] = []
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.append(writer)
        with suppress(OSError):
            while data := await reader.read(65536):
                self.heard += data
                writer.write(data.upper())
                await writer.drain()
        self.ended += 1
        writer.close()


class Caller:
    """A client that reads all the time, as services do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.heard = b""
        self.end: str | None = None
        """`closed` or `reset`, when it is over."""
        self._reader = reader
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        try:
            while data := await self._reader.read(65536):
                self.heard += data
            self.end = "closed"
        except ConnectionError:
            self.end = "reset"
        self.writer.close()

    def say(self, text: bytes) -> None:
        self.writer.write(text)


async def call(line: RelayedLine) -> Caller:
    return Caller(*await asyncio.open_connection("127.0.0.1", line.port))


@asynccontextmanager
async def relayed(**target: str | int) -> AsyncIterator[tuple[Relay, RelayedLine]]:
    relay = Relay([Line("compute-1", "bus", 0, **target)])  # type: ignore[arg-type]
    await relay.start()
    try:
        yield relay, relay.lines[0]
    finally:
        await relay.stop()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield service
    server.close()
    for writer in service.connected:
        writer.close()


@pytest.fixture
async def line(service: Service) -> AsyncIterator[RelayedLine]:
    async with relayed(host="127.0.0.1", target_port=service.port) as (_, line):  # type: ignore[attr-defined]
        yield line


async def talk(caller: Caller, text: bytes) -> None:
    """Say something and hear all of the answer, so that nothing is on its way any more."""
    sofar = len(caller.heard)
    caller.say(text)
    await wait_for(lambda: caller.heard[sofar:] == text.upper(), what="the answer")


async def later(line: RelayedLine) -> None:
    """Return when whatever could have passed `line` has passed a line that is whole."""
    async with relayed(host="127.0.0.1", target_port=line.line.target_port) as (_, whole):
        caller = await call(whole)
        for _ in range(20):
            await talk(caller, b"z")
        caller.writer.close()
        await wait_for(lambda: not whole.connections)


async def test_bytes_pass_in_order_both_ways_and_so_does_the_end(
    service: Service, line: RelayedLine
) -> None:
    caller = await call(line)
    text = bytes(range(65, 91)) * 50_000
    caller.say(text)
    caller.writer.write_eof()
    await wait_for(lambda: caller.end == "closed")
    assert service.heard == text
    assert caller.heard == text
    assert line.bytes == 2 * len(text)
    await wait_for(lambda: not line.connections)


async def test_a_cut_line_is_silent_and_mended_it_says_everything_late(
    service: Service, line: RelayedLine
) -> None:
    caller = await call(line)
    await talk(caller, b"before")
    line.cut()
    assert line.is_cut
    caller.say(b"request")
    service.connected[0].write(b"event")
    newcomer = await call(line)
    newcomer.say(b"hello")
    await later(line)
    assert service.heard.replace(b"z", b"") == b"before"
    assert caller.heard == b"BEFORE"
    assert (caller.end, newcomer.end, service.ended) == (None, None, 1)
    assert len(service.connected) == 2  # the caller's, and the one of `later`

    line.mend()
    await wait_for(lambda: b"request" in service.heard and b"hello" in service.heard)
    await wait_for(lambda: caller.heard == b"BEFOREeventREQUEST")
    await wait_for(lambda: newcomer.heard == b"HELLO")


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_an_end_in_a_cut_is_news_only_afterwards(
    service: Service, line: RelayedLine, how: str
) -> None:
    callers = [await call(line), await call(line)]
    for caller in callers:
        await talk(caller, b"x")
    line.cut()
    mine = callers[0].writer
    mine.transport.abort() if how == "abort" else mine.close()
    service.connected[1].transport.abort()
    await later(line)
    assert service.ended == 2  # the second's, by itself, and the one of `later`
    assert callers[1].end is None
    line.mend()
    await wait_for(lambda: service.ended == 3)
    await wait_for(lambda: callers[1].end is not None)
    await wait_for(lambda: not line.connections)


async def test_mended_by_reset_connections_break_and_nothing_held_back_arrives(
    service: Service, line: RelayedLine
) -> None:
    caller = await call(line)
    await talk(caller, b"before")
    line.cut()
    caller.say(b"request")
    waiting = await call(line)
    await wait_for(lambda: line.connections == 2)
    line.mend(reset=True)
    await wait_for(lambda: caller.end == "reset")
    await wait_for(lambda: waiting.end == "reset")
    await wait_for(lambda: not line.connections)
    another = await call(line)
    await talk(another, b"after")
    assert service.heard == b"beforeafter"


async def test_what_a_cut_holds_back_is_bounded(service: Service, line: RelayedLine) -> None:
    caller = await call(line)
    await talk(caller, b"x")
    line.cut()
    passed = line.bytes
    chunk = bytes(1 << 20)
    stuck = asyncio.create_task(_push(caller.writer, chunk))
    await later(line)
    assert not stuck.done()  # it is the sender that has to wait
    assert line.bytes == passed
    stuck.cancel()


async def _push(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    for _ in range(200):
        writer.write(chunk)
        await writer.drain()


async def test_too_many_connections_are_refused(
    line: RelayedLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "LIMIT", 1)
    first = await call(line)
    await talk(first, b"first")
    second = await call(line)
    await wait_for(lambda: second.end == "reset")


async def test_nobody_behind_the_line_breaks_the_connection() -> None:
    async with relayed(host="127.0.0.1", target_port=1) as (_, line):
        caller = await call(line)
        await wait_for(lambda: caller.end == "reset")


async def test_control_over_its_socket(service: Service) -> None:
    relay = Relay(
        Line("compute-1", name, 0, "127.0.0.1", service.port)  # type: ignore[attr-defined]
        for name in ("bus", "database")
    )
    stop = asyncio.Event()
    with tempfile.TemporaryDirectory() as directory:
        socket = Path(directory) / "relay.sock"
        serving = asyncio.create_task(relays.serve(relay, socket, stop))
        control = RelayControl(socket)
        await wait_for(socket.exists)
        await wait_for(lambda: socket.stat().st_mode & 0o777 == 0o600)
        bus, database = relay.lines
        caller = await call(bus)
        await talk(caller, b"x")
        assert await asyncio.to_thread(control.cut, "compute-1", ["bus"]) == 1
        assert (bus.is_cut, database.is_cut) == (True, False)
        assert await asyncio.to_thread(control.cut_members) == {"compute-1"}
        await asyncio.to_thread(control.cut, "compute-1")
        assert database.is_cut
        await asyncio.to_thread(control.mend, "compute-1")
        assert {bus.is_cut, database.is_cut} == {False}
        with pytest.raises(LocalClusterError, match="compute-1 to bus"):
            await asyncio.to_thread(control.cut, "compute-9")
        with pytest.raises(LocalClusterError, match="compute-1 to database"):
            await asyncio.to_thread(control.cut, "compute-1", ["bus", "moon"])
        stop.set()
        await serving
        with pytest.raises(LocalClusterError, match="--cuttable"):
            control.status()
        assert control.cut_members() == set()


@pytest.mark.parametrize(
    ("url", "target", "through"),
    [
        ("amqp://m@127.0.0.1:99/v", {"host": "127.0.0.1", "target_port": 99}, "amqp://m@127.0.0.1:7/v"),
        ("amqp://m@broker/", {"host": "broker", "target_port": 5672}, "amqp://m@127.0.0.1:7/"),
        ("postgresql://m@/d?host=/run/pg", {"path": "/run/pg/.s.PGSQL.5432"}, "postgresql://m@127.0.0.1:7/d"),
        (
            "postgresql://m@db/d?sslmode=disable",
            {"host": "db", "target_port": 5432},
            "postgresql://m@127.0.0.1:7/d?sslmode=disable",
        ),
    ],
)  # fmt: skip
def test_a_line_stands_for_what_a_url_names(
    url: str, target: dict[str, str | int], through: str
) -> None:
    assert line_to(url, "api", "bus", 7) == (Line("api", "bus", 7, **target), through)  # type: ignore[arg-type]


def test_a_broker_behind_tls_is_refused() -> None:
    with pytest.raises(LocalClusterError, match="TLS"):
        line_to("amqps://m@broker/", "api", "bus", 7)

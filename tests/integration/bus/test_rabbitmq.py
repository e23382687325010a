"""The contract on a real RabbitMQ, and what only it can do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from pydantic import SecretStr
from yarl import URL

from common.bus import rabbitmq
from common.bus.amqp_consumers import LinkConsumer
from common.bus.amqp_link import Link
from common.bus.port import BusClosed, Queue, QueueKind, Unroutable
from common.bus.rabbitmq import RabbitBus
from common.bus.topology import CONDUCTOR, RULES, host_queue
from common.config.settings import BusSettings
from common.errors import InvalidInput, Unauthorized, Unavailable
from common.runtime.ports import Clock
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.integration.bus.contract import (
    BusContract,
    Impatient,
    Inbox,
    Job,
    OutageContract,
    publish_all,
    queue,
)
from tests.support.rabbitmq import settings_of
from tests.support.wait import wait_for

MANY_HOSTS = 2_100
"""More than the 2,047 channels that RabbitMQ allows on one connection."""


async def consume_all(bus: RabbitBus, hosts: list[Queue], inbox: Inbox) -> None:
    await asyncio.gather(*(bus.consume(host, inbox, prefetch=2) for host in hosts))


class RabbitEnv:
    def __init__(self, node: PrivateRabbitMQ) -> None:
        self.node = node
        self.buses: list[RabbitBus] = []

    def bus(self, settings: BusSettings) -> RabbitBus:
        bus = RabbitBus(settings, Clock(), Impatient(), "test")
        self.buses.append(bus)
        return bus

    async def connect(self, settings: BusSettings | None = None) -> RabbitBus:
        bus = self.bus(settings or settings_of(self.node))
        await bus.start()
        return bus

    async def break_broker(self, *, abruptly: bool = False) -> None:
        await asyncio.to_thread(self.node.kill if abruptly else self.node.stop)

    async def mend_broker(self) -> None:
        await asyncio.to_thread(self.node.start)

    async def stop(self) -> None:
        await asyncio.gather(*(bus.stop() for bus in self.buses))


class Proxy:
    """Stands between a bus and the broker; can stop carrying bytes, and drop connections."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._open = asyncio.Event()
        self._open.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.ensure_future(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()

    def freeze(self) -> None:
        """Nothing arrives any more, as behind a pulled cable."""
        self._open.clear()

    def thaw(self) -> None:
        self._open.set()

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def proxied(
    node: PrivateRabbitMQ, query: str = ""
) -> AsyncIterator[tuple[Proxy, BusSettings]]:
    proxy = Proxy(node.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = settings_of(node)
    url = f"{URL(settings.url).with_port(port)}{query}"
    yield proxy, settings.model_copy(update={"url": url})
    proxy.drop()
    server.close()


class TestRabbitBus(BusContract):
    @pytest.fixture
    async def env(self, rabbitmq: PrivateRabbitMQ) -> AsyncIterator[RabbitEnv]:
        env = RabbitEnv(rabbitmq)
        yield env
        await env.stop()

    async def test_wrong_password_names_the_setting(self, env: RabbitEnv) -> None:
        wrong = settings_of(env.node).model_copy(update={"password": SecretStr("wrong")})
        with pytest.raises(Unauthorized, match=r"'muster'.*bus\.password") as caught:
            await env.connect(wrong)
        assert "wrong" not in str(caught.value)

    async def test_password_may_stand_in_the_url_and_is_never_logged(
        self, env: RabbitEnv, capsys: pytest.CaptureFixture[str]
    ) -> None:
        url = URL(env.node.url).with_password(env.node.password)
        bus = await env.connect(BusSettings(url=str(url)))
        assert bus.connected
        said = capsys.readouterr()
        assert "bus_connected" in said.out + said.err
        assert env.node.password not in said.out + said.err

    async def test_url_that_cannot_be_used_names_the_setting(self, env: RabbitEnv) -> None:
        for url in ("http://127.0.0.1/", "amqp:///", "127.0.0.1:5672", "amqp://h:port/"):
            with pytest.raises(InvalidInput, match=r"bus\.url"):
                env.bus(BusSettings(url=url))

    async def test_start_can_be_given_up(self, env: RabbitEnv) -> None:
        bus = env.bus(BusSettings(url="amqp://muster@127.0.0.1:1/"))
        starting = asyncio.ensure_future(bus.start())
        await asyncio.wait({starting}, timeout=0.1)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await bus.stop()

    async def test_start_can_be_given_up_when_the_driver_hides_it(
        self, env: RabbitEnv, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def hide_cancellation(_link: Link) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ConnectionError("something else") from None

        monkeypatch.setattr(Link, "open", hide_cancellation)
        starting = asyncio.ensure_future(env.bus(settings_of(env.node)).start())
        await asyncio.wait({starting}, timeout=0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(starting), 5)

    async def test_queue_with_other_arguments_is_named(
        self, env: RabbitEnv, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work, old, new = queue(), await env.connect(), await env.connect()
        await old.publish(work, Job())
        changed = replace(RULES[QueueKind.WORK], max_length=7)
        monkeypatch.setitem(RULES, QueueKind.WORK, changed)
        with pytest.raises(Unavailable, match=f"queue {work.name} exists with other arguments"):
            await new.consume(work, Inbox(), prefetch=1)
        with pytest.raises(BusClosed, match=f"queue {work.name} exists with other arguments"):
            await new.publish(work, Job())
        await new.publish(queue(), Job())
        assert new.connected

    async def test_consumer_comes_back_after_its_queue_was_deleted(self, env: RabbitEnv) -> None:
        work, inbox, bus, sender = queue(), Inbox(), await env.connect(), await env.connect()
        await bus.consume(work, inbox, prefetch=1)
        settings = settings_of(env.node)
        url = URL(settings.url).with_password(env.node.password)
        async with await aio_pika.connect(url) as operator, operator.channel() as channel:
            await channel.queue_delete(work.name)
        await wait_for(lambda: not bus.connected)
        await wait_for(lambda: bus.connected)
        await bus.publish(work, Job(number=1))
        await inbox.has(1)
        # Who had declared the old queue notices, and declares it anew with the next publish.
        await sender.publish(work, Job(number=2))
        await bus.stop()
        async with await aio_pika.connect(url) as operator, operator.channel() as channel:
            await channel.queue_delete(work.name)
        with pytest.raises(Unroutable):
            await sender.publish(work, Job(number=3))
        await sender.publish(work, Job(number=4))
        assert await sender.depth(work) == 1

    async def test_cancelling_one_consumer_leaves_the_connection_alone(
        self, env: RabbitEnv
    ) -> None:
        bus, inbox, topic = await env.connect(), Inbox(), queue().name
        link = bus._link
        await (await bus.consume(queue(), inbox, prefetch=1)).cancel()
        await (await bus.subscribe(topic, inbox)).cancel()
        await bus.publish(queue(), Job())
        assert bus._link is link
        assert bus.connected

    async def test_one_connection_carries_more_hosts_than_channels(self, env: RabbitEnv) -> None:
        bus, inbox = await env.connect(), Inbox()
        hosts = [queue(QueueKind.HOST) for _ in range(MANY_HOSTS)]
        await consume_all(bus, hosts, inbox)
        for number in (0, 1, MANY_HOSTS // 2, MANY_HOSTS - 1):
            await bus.publish(hosts[number], Job(number=number))
        await inbox.has(4)
        assert sorted(inbox.numbers) == [0, 1, MANY_HOSTS // 2, MANY_HOSTS - 1]
        assert bus.connections == 1

    async def test_giving_up_to_consume_leaves_neighbours_on_the_channel_alone(
        self, env: RabbitEnv
    ) -> None:
        bus, inbox, stays = await env.connect(), Inbox(), queue(QueueKind.HOST)
        await bus.consume(stays, inbox, prefetch=1)
        link = bus._link
        for turn in range(100):
            host = queue(QueueKind.HOST)
            beginning = asyncio.ensure_future(bus.consume(host, Inbox(), prefetch=1 + turn % 2))
            await asyncio.wait({beginning}, timeout=turn / 20_000)
            beginning.cancel()
            await asyncio.wait({beginning})
            await wait_for(lambda: not bus._unbroken)
            assert await bus.delete_queue(host) is beginning.cancelled(), "whether it is consumed"
        await bus.publish(stays, Job(number=1))
        await inbox.has(1)
        assert bus._link is link

    async def test_vanished_broker_is_noticed(self, env: RabbitEnv) -> None:
        async with proxied(env.node, "?heartbeat=1") as (proxy, settings):
            bus = await env.connect(settings)
            proxy.freeze()
            publish = asyncio.ensure_future(bus.publish(queue(), Job(), timeout_s=60))
            await wait_for(lambda: not bus.connected, timeout_s=15)
            with pytest.raises(BusClosed):
                await publish
            proxy.thaw()
            await wait_for(lambda: bus.connected, timeout_s=15)

    async def test_publish_that_was_cut_off_is_not_confirmed(self, env: RabbitEnv) -> None:
        work = queue()
        async with proxied(env.node) as (proxy, settings):
            bus = await env.connect(settings)
            await bus.publish(work, Job())
            proxy.freeze()
            publishes = [asyncio.ensure_future(bus.publish(work, Job())) for _ in range(3)]
            call = asyncio.ensure_future(bus.call(work, Job(), timeout_s=60))
            await asyncio.wait(publishes, timeout=0.1)
            proxy.drop()
            results = await asyncio.gather(*publishes, call, return_exceptions=True)
            assert [type(result) for result in results] == [BusClosed] * 4
            proxy.thaw()
            await bus.publish(work, Job())

    async def test_publish_without_an_answer_ends_in_time(self, env: RabbitEnv) -> None:
        work = queue()
        async with proxied(env.node) as (proxy, settings):
            bus = await env.connect(settings)
            await bus.publish(work, Job())
            proxy.freeze()
            with pytest.raises(BusClosed, match="not confirmed within"):
                await bus.publish(work, Job(), timeout_s=0.1)
            proxy.thaw()
            await bus.publish(work, Job())


def rights(name: str, configure: str, write: str, read: str) -> dict[str, str]:
    return {"user": name, "vhost": "/", "configure": configure, "write": write, "read": read}


def account(name: str) -> dict[str, object]:
    """A user whose password is its name."""
    salt = b"salt"
    digest = base64.b64encode(salt + hashlib.sha256(salt + name.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    return {"name": name, "password_hash": digest, "hashing_algorithm": algorithm, "tags": []}


@pytest.fixture(scope="module")
def node_with_host_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitMQ]:
    directory: Path = tmp_path_factory.mktemp("rabbitmq")
    definitions = {
        "vhosts": [{"name": "/"}],
        "users": [account("muster"), account("host1")],
        "permissions": [
            rights("muster", ".*", ".*", ".*"),
            rights(
                "host1",
                r"^(compute\.host1|amq\.gen-.*)$",
                r"^(amq\.default|muster\.dead|muster\.events|amq\.gen-.*|compute\.host1)$",
                r"^(compute\.host1|amq\.gen-.*|muster\.events|muster\.dead)$",
            ),
        ],
    }
    (directory / "definitions.json").write_bytes(orjson.dumps(definitions))
    (directory / "advanced.config").write_text(
        f'[{{rabbit, [{{load_definitions, "{directory}/definitions.json"}}]}}].'
    )
    node = PrivateRabbitMQ(directory)
    node.start()
    yield node
    node.kill()


class TestHostUser:
    """A host's own user may use its own queue and answer; the rest was declared by others."""

    @pytest.fixture
    async def env(self, node_with_host_user: PrivateRabbitMQ) -> AsyncIterator[RabbitEnv]:
        env = RabbitEnv(node_with_host_user)
        yield env
        await env.stop()

    async def test_host_user_has_what_it_needs_and_no_more(self, env: RabbitEnv) -> None:
        def settings(name: str) -> BusSettings:
            url = str(URL(env.node.url).with_user(name))
            return BusSettings(url=url, password=SecretStr(name))

        conductor = await env.connect(settings("muster"))
        host, own, beats = await env.connect(settings("host1")), Inbox(), Inbox()
        await conductor.consume(CONDUCTOR, beats, prefetch=1)
        await host.consume(host_queue("host1"), own, prefetch=1)
        await publish_all(conductor, host_queue("host1"), 1)
        await own.has(1)
        await host.publish(CONDUCTOR, Job(number=5))
        await beats.has(1)
        assert beats.deliveries[0].user_id == "host1"
        await conductor.consume(host_queue("host2"), Inbox(), prefetch=1)
        with pytest.raises(Unavailable, match=r"'host1' .* may not read queue compute\.host2"):
            await host.consume(host_queue("host2"), Inbox(), prefetch=1)
        await host.publish(CONDUCTOR, Job(number=6))
        await publish_all(conductor, host_queue("host1"), 1)
        await own.has(2)


class TestRabbitOutage(OutageContract):
    @pytest.fixture
    async def env(self, breakable_rabbitmq: PrivateRabbitMQ) -> AsyncIterator[RabbitEnv]:
        env = RabbitEnv(breakable_rabbitmq)
        yield env
        await env.stop()

    async def test_many_hosts_come_back_although_all_together_take_longer_than_one_may(
        self, env: RabbitEnv, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bus, inbox = await env.connect(), Inbox()
        hosts = [queue(QueueKind.HOST) for _ in range(1_000)]
        await consume_all(bus, hosts, inbox)
        await env.break_broker()
        await wait_for(lambda: not bus.connected)
        near = Link.consume

        async def far(*args: Any) -> LinkConsumer:
            await asyncio.sleep(0.02)
            return await near(*args)

        monkeypatch.setattr(Link, "consume", far)
        monkeypatch.setattr(rabbitmq, "OPEN_TIMEOUT_S", 2.0)
        await env.mend_broker()
        await wait_for(lambda: bus.connected, timeout_s=60)
        await asyncio.gather(
            *(bus.publish(to, Job(number=n), timeout_s=60) for n, to in enumerate(hosts))
        )
        await inbox.has(len(hosts))
        assert sorted(inbox.numbers) == list(range(len(hosts)))

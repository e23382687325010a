"""Questions from the command line to hosts of a local cluster, over the cluster's own bus.

Owns: one round of calls, and reaching the broker of a cluster of processes.
May not: know what is asked. Crash story: a question whose answer is lost can be asked again.
"""

from __future__ import annotations

import asyncio
import logging
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deploy.local.home import Home, LocalClusterError

if TYPE_CHECKING:
    from common.bus.port import Bus
    from common.messages.base import Message

TIMEOUT_S = 5.0


async def ask_over(bus: Bus, questions: Mapping[str, Message]) -> dict[str, Message]:
    """The answer of each host; raises `LocalClusterError` that names the one that is silent."""
    from common.bus.port import BusClosed, Unroutable
    from common.bus.topology import host_queue
    from common.errors import Timeout

    async def one(host: str, question: Message) -> tuple[str, Message]:
        try:
            return host, await bus.call(host_queue(host), question, timeout_s=TIMEOUT_S)
        except (Timeout, BusClosed, Unroutable) as error:
            raise LocalClusterError(f"{host} does not answer ({error})") from error

    return dict(await asyncio.gather(*(one(host, q) for host, q in questions.items())))


def ask_processes(home: Home, questions: Mapping[str, Message]) -> dict[str, Message]:
    """The same in a cluster of processes; its services' settings say where the broker is."""
    import structlog

    from common.bus.rabbitmq import RabbitBus
    from common.config.settings import BusSettings
    from common.runtime.ports import Clock, Random

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    async def asking() -> dict[str, Message]:
        file = home.path / "config" / f"{next(iter(questions))}.toml"
        settings = BusSettings(**tomllib.loads(file.read_text())["bus"])
        bus = RabbitBus(settings, Clock(), Random(), "command line")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await bus.start()
        except TimeoutError as error:
            await bus.crash()
            raise LocalClusterError("the broker does not answer: ./muster status") from error
        try:
            return await ask_over(bus, questions)
        finally:
            await bus.stop()

    return asyncio.run(asking())

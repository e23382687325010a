"""aio-pika as the links need it: what it raises when a connection is gone, and its socket.

Owns: how a loss looks. May not: declare, publish or consume.
Crash story: none; nothing here outlives a connection.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import aio_pika
from aio_pika.abc import ConnectionParameter
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq import TransportFactory
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

GONE = (*CONNECTION_EXCEPTIONS, asyncio.InvalidStateError)
"""What aio-pika raises when the channel or connection it was using is gone."""

for _library in ("aiormq", "aio_pika"):
    # They log each failed attempt, with tracebacks; the bus says it once, with the reason.
    logging.getLogger(_library).addHandler(logging.NullHandler())
    logging.getLogger(_library).propagate = False

P = ParamSpec("P")
T = TypeVar("T")


def driver(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Raise one of `GONE` for a `CancelledError` that is none.

    aiormq ends with it what waits on a connection that it gives up; the caller would believe that
    it is being cancelled itself, and a loop would end in silence.
    """

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ConnectionResetError("the connection was given up") from error

    return call


class Wire(TransportFactory):
    """Opens the socket as usual and keeps it, because a crash must drop it without a goodbye."""

    _writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        usual = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self._writer = await usual.create(url, **kwargs)
        return reader, self._writer

    def drop(self) -> None:
        if self._writer:
            self._writer.transport.abort()


class Connection(aio_pika.Connection):
    """Takes a `Wire`."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter("transport_factory", lambda wire: wire, is_kwarg=True),
    )

"""The envelope and the registry of message types.

Owns: how a message becomes bytes and back. Fields are append-only with defaults: an older
service must read a newer message and the other way round (golden files in tests/contracts).
May not: do I/O. Crash story: a message that cannot be decoded is dead-lettered by the adapter.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict

_registry: dict[str, type[Message]] = {}


class Message(BaseModel):
    """Base of every message. Subclasses set `TYPE` (name on the wire) and bump `v` on a change."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str] = ""
    v: int = 1
    request_id: str | None = None
    """The API request this message belongs to, for logs."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.TYPE:
            if cls.TYPE in _registry:
                raise TypeError(f"two message classes are called {cls.TYPE!r}")
            _registry[cls.TYPE] = cls


M = TypeVar("M", bound=Message)


class UndecodableMessage(Exception):
    """Bytes that are no known message."""


def encode(message: Message) -> bytes:
    """JSON bytes `{"type": ..., ...fields}`."""
    return orjson.dumps({"type": message.TYPE, **message.model_dump(mode="json")})


def decode(body: bytes) -> Message:
    """The message in `body`; raises `UndecodableMessage`."""
    try:
        data = orjson.loads(body)
        return _registry[data.pop("type")].model_validate(data)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UndecodableMessage(f"{error!r}: {body[:200]!r}") from error


def types() -> dict[str, type[Message]]:
    """All known message types by wire name."""
    return dict(_registry)

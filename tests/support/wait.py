"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


async def wait_for(
    condition: Callable[[], object] | Callable[[], Awaitable[object]],
    timeout_s: float = 10.0,
    what: str = "",
) -> None:
    """Return when `condition()` (which may be a coroutine function) is true.

    Fails the test with `what`, or the condition's name, when it is not within `timeout_s`.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    pause_s = _FIRST_PAUSE_S
    while True:
        result = condition()
        if await result if inspect.isawaitable(result) else result:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or condition!r}")
        await asyncio.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

"""Background tasks that cannot be lost or fail in silence.

Owns: every long-lived task of a service, by name.
May not: restart business work; only loops registered with `loop()` are restarted.
Crash story: a failing loop is logged and run again after its period; `stop()` cancels all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from common.runtime.ports import Clock

log = structlog.get_logger(__name__)


class Tasks:
    """A named set of tasks that ends with its owner."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `coroutine` in the background; an exception is logged, never dropped."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def loop(
        self, name: str, period_s: float, body: Callable[[], Awaitable[object]]
    ) -> asyncio.Task[Any]:
        """Run `body` every `period_s` seconds until stopped; a failure is logged."""

        async def turns() -> None:
            while True:
                try:
                    await body()
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    log.warning("loop_turn_failed", loop=name, error=repr(error))
                await self._clock.sleep(period_s)

        return self.spawn(name, turns())

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), error=repr(error), exc_info=error)

    def __len__(self) -> int:
        return len(self._tasks)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what runs now, at most `timeout_s`."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)

    async def stop(self) -> None:
        """Cancel everything and wait until it is gone."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

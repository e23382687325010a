"""Repeating what may succeed later.

Owns: which failures of a step are repeated, how often, until when.
May not: know what is repeated. Crash story: none; whoever resumes the step begins again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from common.db.pool import OUT_OF_REACH, misused
from common.errors import MusterError, Timeout, Unavailable, reason
from services.conductor.engine.context import Context

log = structlog.get_logger(__name__)

_FIRST_S = 0.2
_MOST_S = 2.0


async def until_deadline(
    name: str,
    act: Callable[[Context], Awaitable[None]],
    context: Context,
    start_over: Callable[[Context], None],
) -> None:
    """Do `act`, again after each transient error, until the context's deadline; `start_over`
    forgets what a failed attempt wanted to write. Raises what is not transient, and at the deadline
    the latest trouble."""
    clock, pause_s = context.deps.clock, _FIRST_S
    while True:
        left_s = context.deadline - clock.monotonic()
        try:
            async with asyncio.timeout(left_s) as limit:
                context.lease.check()
                await act(context)
                return
        except MusterError as error:
            if not error.retryable:
                raise
            trouble = error
        except OUT_OF_REACH as error:
            if misused(error):
                raise
            if limit.expired():
                raise Timeout(f"{name} took longer than allowed") from error
            trouble = Unavailable("the database cannot be reached", reason=repr(error))
        if context.deadline - clock.monotonic() <= pause_s:
            raise trouble
        log.info("step_retried", step=name, error=reason(trouble))
        start_over(context)
        await clock.sleep(context.deps.random.uniform(pause_s / 2, pause_s))
        pause_s = min(pause_s * 2, _MOST_S)

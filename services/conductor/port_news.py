"""What the network service says about ports, for those in this process who wait for it.

Owns: who listens for which port. May not: keep what nobody listens for.
Crash story: nothing is kept; who waits looks at the ports by itself as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

Said = asyncio.Queue[tuple[str, bool]]
"""(port, whether it failed)."""


class PortNews:
    """One per process."""

    def __init__(self) -> None:
        self._listening: dict[str, Said] = {}

    def tell(self, port_id: str, *, failed: bool) -> None:
        """The port carries traffic, or cannot."""
        if (queue := self._listening.get(port_id)) is not None:
            queue.put_nowait((port_id, failed))

    @contextmanager
    def of(self, port_ids: Iterable[str]) -> Iterator[Said]:
        """What is said of these ports from now on."""
        queue: Said = asyncio.Queue()
        mine = dict.fromkeys(port_ids, queue)
        self._listening.update(mine)
        try:
            yield queue
        finally:
            for port_id in mine:
                if self._listening.get(port_id) is queue:
                    del self._listening[port_id]

"""What every Muster service looks like to the thing that runs it.

Owns: the life-cycle contract. May not: know any particular service.
Crash story: `crash()` is the contract for dying without a word (tests, one-process cluster).
"""

from __future__ import annotations

from typing import Protocol


class Service(Protocol):
    """Built by `services.<name>.app.create(settings, ports)`; holds nothing until `start()`."""

    async def start(self) -> None:
        """Return when the service is ready to serve; wait for dependencies that start later."""

    async def stop(self) -> None:
        """Finish or hand over what is in flight, say goodbye, release everything."""

    async def crash(self) -> None:
        """Stop at once and silently, as a killed process would. Only for one-process clusters."""

"""Settings of servers' disks.

Owns: section `disks`. May not: be read by hosts. Crash story: none.
"""

from __future__ import annotations

from pydantic import Field

from common.config.section import Section


class DiskSettings(Section):
    """How many disks a server may have."""

    most_local: int = Field(default=3, ge=-1)
    """Local disks of a server that asks for its disks one by one, those of its flavor included
    (Nova's max_local_block_devices); -1: any number."""
    most: int = Field(default=-1, ge=-1)
    """Disks of a server in all (Nova's max_disk_devices_to_attach); -1: any number."""
    request_s: float = Field(default=120.0, gt=0)
    """A request that attaches or detaches a volume and has not ended after this long has died: what
    it told the volume service is undone."""

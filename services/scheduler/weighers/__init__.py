"""All weighers. More is better; each is scaled to 0..1 over the hosts that passed the filters and
multiplied by the setting `scheduler.<name>_weight_multiplier`.

Owns: the list. A weigher is a function hosts -> one number a host. To add one: a file with the
function, a row here, a setting, a case in tests/unit/scheduler. Crash story: none, they are pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.scheduler.hosts import Floats, Hosts
from services.scheduler.weighers import build_failure, cpu, disk, ram


class Weigher(NamedTuple):
    name: str
    weigh: Callable[[Hosts], Floats]


WEIGHERS = (
    Weigher("ram", ram.weigh),
    Weigher("cpu", cpu.weigh),
    Weigher("disk", disk.weigh),
    Weigher("build_failure", build_failure.weigh),
)

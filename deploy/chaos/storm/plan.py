"""What happens in a storm, decided beforehand: the same seed and the same code give the same plan.

Owns: drawing servers' lives, faults and an evacuation from `random.Random(seed)`.
May not: know a running cluster; who is struck is said by part ("the source of the first resize to
reach its third step"), because names and times differ from run to run.
Crash story: none; a plan is data.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Part = Literal["source", "destination", "conductor"]
Way = Literal["kill", "cut"]
Deletion = Literal["never", "while it builds", "in the middle", "at the end"]
Root = Literal["image", "volume"]

SERVERS = 14
FAULTS = 16
BORN_WITHIN_S = 12.0

OPERATIONS: Mapping[str, int] = {
    "migrate": 4,
    "resize": 4,
    "live-migrate": 5,
    "shelve": 2,
    "stop": 1,
    "reboot": 1,
    "attach-volume": 4,
    "attach-interface": 3,
}
"""What is asked of servers, and how often in comparison. A migrate or resize is confirmed or
reverted, what is shelved is unshelved, what is stopped is started; half of what is attached is
detached again."""

FROM_VOLUME, GROUPED = 0.3, 0.25
"""Shares of the servers that boot from a volume, and that are in the anti-affinity group."""

TARGETS: Mapping[str, tuple[Part, ...]] = {
    "build": ("destination", "conductor"),
    "migrate": ("source", "destination", "conductor"),
    "resize": ("source", "destination", "conductor"),
    "confirm_resize": ("source", "destination", "conductor"),
    "revert_resize": ("source", "destination", "conductor"),
    "live_migrate": ("source", "destination", "conductor"),
    "evacuate": ("destination", "conductor"),
    "unshelve": ("destination", "conductor"),
    "shelve": ("source", "conductor"),
    "delete": ("source", "conductor"),
    "start": ("source",),
    "reboot": ("source",),
    "attach_volume": ("source", "conductor"),
    "detach_volume": ("source", "conductor"),
    "attach_interface": ("source", "conductor"),
    "detach_interface": ("source", "conductor"),
}
"""Workflows during which something is struck, and which parts are worth striking."""

OFTEN = ("build", "migrate", "resize", "live_migrate", "evacuate", "revert_resize")
"""Workflows that make guests: they are struck three times as often as the others."""


@dataclass(frozen=True)
class Operation:
    kind: str
    after_s: float
    """Pause before it."""
    reverted: bool = False
    """A migrate or resize is taken back instead of confirmed; what is attached is detached."""


@dataclass(frozen=True)
class Life:
    """One server from its POST to its DELETE."""

    born_s: float
    operations: tuple[Operation, ...]
    delete: Deletion
    root: Root = "image"
    grouped: bool = False
    """In the one anti-affinity group."""


@dataclass(frozen=True)
class Fault:
    """`way` befalls `part` of the first workflow of `kind` that is seen in its step `step`."""

    kind: str
    step: int
    part: Part
    way: Way
    delay_s: float
    """How far into the step."""
    lasts_s: float
    reset: bool = False
    """A cut ends with broken connections instead of late messages."""
    services: tuple[str, ...] = ()
    """What a cut conductor is cut off from; none: from all."""


@dataclass(frozen=True)
class Evacuation:
    """The host with most servers is lost; it is fenced, declared down, evacuated, comes back."""

    after_s: float
    way: Way
    """A host that is cut off is killed before it is declared down: that is what fencing means."""
    reset: bool
    starts_cut_off: bool
    """One that was cut off is started before it is mended, or afterwards."""


@dataclass(frozen=True)
class Plan:
    seed: int
    lives: tuple[Life, ...]
    faults: tuple[Fault, ...]
    evacuation: Evacuation

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(seed: int, steps: Mapping[str, int], *, servers: int = SERVERS) -> Plan:
    """`steps`: how many steps each kind of workflow has."""
    dice = random.Random(seed)  # noqa: S311 - a plan, not a secret
    return Plan(
        seed=seed,
        lives=tuple(_life(dice) for _ in range(servers)),
        faults=tuple(_fault(dice, steps) for _ in range(FAULTS)),
        evacuation=Evacuation(
            after_s=dice.uniform(3.0, 8.0),
            way=dice.choice(("kill", "cut")),
            reset=dice.random() < 0.5,
            starts_cut_off=dice.random() < 0.5,
        ),
    )


def _life(dice: random.Random) -> Life:
    kinds = dice.choices(list(OPERATIONS), list(OPERATIONS.values()), k=dice.randint(3, 6))
    ends: Sequence[Deletion] = ("never", "while it builds", "in the middle", "at the end")
    return Life(
        born_s=dice.uniform(0.0, BORN_WITHIN_S),
        operations=tuple(
            Operation(kind, dice.uniform(0.0, 2.0), dice.random() < 0.5) for kind in kinds
        ),
        delete=dice.choices(ends, (5, 1, 2, 4))[0],
        root="volume" if dice.random() < FROM_VOLUME else "image",
        grouped=dice.random() < GROUPED,
    )


def _fault(dice: random.Random, steps: Mapping[str, int]) -> Fault:
    kinds = list(TARGETS)
    kind = dice.choices(kinds, [3 if kind in OFTEN else 1 for kind in kinds])[0]
    part = dice.choice(TARGETS[kind])
    way: Way = dice.choice(("kill", "cut"))
    services: tuple[str, ...] = ()
    if part == "conductor" and way == "cut":
        services = dice.choice(((), ("bus",), ("database",)))
    return Fault(
        kind=kind,
        step=dice.randrange(steps[kind]),
        part=part,
        way=way,
        delay_s=dice.choice((0.0, dice.uniform(0.0, 0.6))),
        lasts_s=dice.uniform(0.5, 5.0) if way == "kill" else dice.uniform(1.0, 10.0),
        reset=dice.random() < 0.5,
        services=services,
    )

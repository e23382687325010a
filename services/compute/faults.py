"""Fault rules: which verbs of which hosts go wrong, and how, decided while everything runs.

Owns: the rules of this process, matching, counting. One registry serves all hosts of a process; a
driver that takes part asks it once per verb, the agent once per reply (`Stage.REPLY`).
May not: know a driver or its verbs, or carry out an effect that needs the guest; the driver does.
Crash story: rules live in memory only; a restarted process starts without faults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from common.errors import HostCommandFailed, InvalidInput, NotFound
from common.runtime.ports import Clock, Random


class Stage(Enum):
    """When a rule is asked for."""

    COMMAND = "command"
    REPLY = "reply"


class Effect(Enum):
    ERROR = "error"  # refuse, with nothing done
    DELAY = "delay"  # take `delay_s` longer
    HANG = "hang"  # do nothing until the rule is cleared or the verb is cancelled, then go on
    DONE_BUT_REPORTED_FAILED = "done_but_reported_failed"
    REPORTED_DONE_BUT_LOST = "reported_done_but_lost"  # report success, with nothing done
    LOST_REPLY = "lost_reply"
    DUPLICATE_REPLY = "duplicate_reply"

    @property
    def stage(self) -> Stage:
        reply = self in {Effect.LOST_REPLY, Effect.DUPLICATE_REPLY}
        return Stage.REPLY if reply else Stage.COMMAND


class FaultRule(BaseModel):
    """What is None matches everything. All effects wait `delay_s` first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | None = None
    """Given by `add` when absent; adding a known id replaces that rule."""
    effect: Effect
    host: str | None = None
    verb: str | None = None
    server: str | None = None
    count: int | None = Field(default=None, ge=1)
    """Fires at most this often."""
    probability: float = Field(default=1.0, gt=0, le=1)
    until: AwareDatetime | None = None
    delay_s: float = Field(default=0.0, ge=0)
    message: str = "injected fault"

    def matches(
        self, host: str, verb: str, server: str | None, stage: Stage, now: datetime
    ) -> bool:
        return (
            self.effect.stage is stage
            and self.host in {None, host}
            and self.verb in {None, verb}
            and self.server in {None, server}
            and (self.until is None or now < self.until)
        )


@dataclass(frozen=True)
class FaultStatus:
    """A rule and how often it fired."""

    rule: FaultRule
    fired: int


@dataclass(slots=True)
class _Entry:
    rule: FaultRule
    fired: int = 0
    cleared: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def spent(self) -> bool:
        return self.rule.count is not None and self.fired >= self.rule.count


class FaultRegistry:
    """The rules in force, oldest first; the first that matches fires."""

    def __init__(self, clock: Clock, random: Random, verbs: Collection[str]) -> None:
        """Rules can be made for `verbs`: those at which somebody asks."""
        self._clock = clock
        self._random = random
        self._verbs = verbs
        self._entries: dict[str, _Entry] = {}
        self._added = 0

    def add(self, rule: FaultRule) -> FaultRule:
        """Put `rule` in force; returns it with its id. Raises `InvalidInput` for a verb at which
        it could never fire."""
        if rule.verb is not None and rule.verb not in self._verbs:
            choice = ", ".join(sorted(self._verbs))
            raise InvalidInput(f"verb: no such verb {rule.verb!r}; choose one of {choice}")
        self._added += 1
        if rule.id is None:
            # Processes count by themselves; with the host's name ids differ all over a cluster.
            where = f"{rule.host}-" if rule.host else ""
            rule = rule.model_copy(update={"id": f"{where}fault-{self._added}"})
        if rule.id in self._entries:
            self.clear(rule.id)
        self._entries[str(rule.id)] = _Entry(rule)
        return rule

    def list(self) -> list[FaultStatus]:
        """All rules with their counters, spent ones too: a test must see that its fault fired."""
        return [FaultStatus(entry.rule, entry.fired) for entry in self._entries.values()]

    def fired(self, rule_id: str | None) -> int:
        """How often that rule fired; raises `NotFound` for a rule that is not listed."""
        return self._entry(rule_id).fired

    def clear(self, rule_id: str | None = None) -> None:
        """Drop one rule, or all; hanging verbs go on. Raises `NotFound` for an unknown id."""
        gone = [self._entry(rule_id)] if rule_id is not None else list(self._entries.values())
        for entry in gone:
            del self._entries[str(entry.rule.id)]
            entry.cleared.set()

    def fire(
        self, host: str, verb: str, server: str | None, stage: Stage = Stage.COMMAND
    ) -> FaultRule | None:
        """The rule that applies now, counted as fired."""
        if not self._entries:
            return None
        now = self._clock.utcnow()
        for entry in self._entries.values():
            rule = entry.rule
            if entry.spent or not rule.matches(host, verb, server, stage, now):
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            entry.fired += 1
            return rule
        return None

    async def suffer(self, rule: FaultRule, clock: Clock) -> None:
        """What a verb that `rule` has hit goes through before it does anything: a delay, then a
        refusal (`HostCommandFailed`) or a wait until the rule is dropped."""
        if rule.delay_s:
            await clock.sleep(rule.delay_s)
        if rule.effect is Effect.ERROR:
            raise HostCommandFailed(rule.message)
        entry = self._entries.get(str(rule.id))
        if rule.effect is Effect.HANG and entry is not None:
            await entry.cleared.wait()

    def _entry(self, rule_id: str | None) -> _Entry:
        try:
            return self._entries[str(rule_id)]
        except KeyError:
            raise NotFound(f"no fault rule {rule_id!r}") from None

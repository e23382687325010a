"""Fault rules of a host, set from outside: a testing facility.

Owns: the question and the answer. May not: know what a rule can say; the agent that is asked
checks it, so that a rule it does not understand is refused instead of read as a wider one.
Crash story: rules live in the agent's memory; a host that dies forgets them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from common.messages.base import Message
from common.messages.compute import ErrorBody, Part


class FaultRules(Message):
    """Add, clear or list rules of one host, on its queue. Call; the answer is `FaultRulesAnswer`.
    Refused unless the host's `compute.fault_rules_enabled` is set."""

    TYPE: ClassVar[str] = "compute.fault_rules"
    action: Literal["add", "clear", "list"]
    rule: dict[str, Any] = Field(default_factory=dict)
    """What to add: the fields of `FaultRule` of the agent's fault rules."""
    rule_id: str | None = None
    """What to clear; None: every rule of this host."""


class FaultRuleStatus(Part):
    rule: dict[str, Any]
    fired: int


class FaultRulesAnswer(Message):
    """`rules`: the added one, the cleared ones or all, each with how often it has fired."""

    TYPE: ClassVar[str] = "compute.fault_rules_answer"
    error: ErrorBody | None = None
    rules: list[FaultRuleStatus] = Field(default_factory=list)

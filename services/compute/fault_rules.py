"""Fault rules of one host as asked for over the bus.

Owns: whether that is allowed, and that a rule set through a host's queue is for that host.
May not: match or carry out rules; the registry and the verbs do.
Crash story: see the registry; rules are lost with the process.
"""

from __future__ import annotations

from pydantic import ValidationError

from common.errors import InvalidInput, MusterError, NotFound, Unsupported
from common.messages.compute import ErrorBody
from common.messages.faults import FaultRules, FaultRulesAnswer, FaultRuleStatus
from services.compute.faults import FaultRegistry, FaultRule, FaultStatus


def answer(registry: FaultRegistry | None, host: str, question: FaultRules) -> FaultRulesAnswer:
    """Do what is asked; `registry` is None where fault rules are not allowed."""
    try:
        found = _do(registry, host, question)
    except MusterError as error:
        return FaultRulesAnswer(error=ErrorBody(code=error.code, message=str(error)))
    return FaultRulesAnswer(
        rules=[
            FaultRuleStatus(rule=status.rule.model_dump(mode="json"), fired=status.fired)
            for status in found
        ]
    )


def _do(registry: FaultRegistry | None, host: str, question: FaultRules) -> list[FaultStatus]:
    if registry is None:
        raise Unsupported(
            f"host {host} takes no fault rules; set compute.fault_rules_enabled to test with them"
        )
    if question.action == "add":
        return [FaultStatus(registry.add(_rule(host, question)), fired=0)]
    mine = [status for status in registry.list() if status.rule.host in {None, host}]
    if question.action == "list":
        return mine
    gone = [
        status
        for status in mine
        if status.rule.host == host and question.rule_id in {None, status.rule.id}
    ]
    if question.rule_id is not None and not gone:
        raise NotFound(f"host {host} has no fault rule {question.rule_id!r}")
    for status in gone:
        registry.clear(status.rule.id)
    return gone


def _rule(host: str, question: FaultRules) -> FaultRule:
    if question.rule.get("host") not in {None, host}:
        raise InvalidInput(f"host: this is {host}; ask {question.rule['host']} itself")
    try:
        return FaultRule.model_validate({**question.rule, "host": host})
    except ValidationError as error:
        raise InvalidInput(
            "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'rule'}: {e['msg']}" for e in error.errors()
            )
        ) from error

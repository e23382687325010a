"""Who may do what: oslo.policy with Nova's rule names, and a cache in front of it.

Owns: the enforcer, the operator's policy.yaml over the declared defaults, remembered decisions.
May not: know any resource. A decision costs about 0.2 ms; a remembered one almost nothing.
Crash story: decisions are pure functions of rule, caller and target, so the cache may be lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from oslo_config import cfg
from oslo_policy import policy as oslo

from common.errors import Bug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.api.request import RequestContext

log = structlog.get_logger(__name__)

ADMIN_RULE = "context_is_admin"
MAX_REMEMBERED = 50_000

_Key = tuple[str, str, str, frozenset[str], str, str, str, str]


class Policy:
    """Decides by the declared defaults and, over them, the operator's file."""

    def __init__(self, defaults: Mapping[str, str], file: Path | None) -> None:
        """Raises ValueError when the file does not exist or cannot be read as rules."""
        self._defaults = defaults
        self._file = file
        self._modified = _modified(file)
        self._remembered: dict[_Key, bool] = {}
        self._enforcer = _enforcer(defaults, file)

    def allows(
        self,
        rule: str,
        ctx: RequestContext,
        project_id: str | None = None,
        user_id: str | None = None,
    ) -> bool:
        """Whether the caller may do `rule` to something of that project and user (default: own).

        A caller without a project is allowed nothing but being admin: every rule is about
        projects. Raises `Bug` for a rule nobody declared: a misspelt one would deny in silence.
        """
        if rule not in self._defaults:
            raise Bug(f"policy rule {rule!r} is not declared in services/api/policies")
        if not ctx.project_id and rule != ADMIN_RULE:
            return False
        target_project = ctx.project_id if project_id is None else project_id
        target_user = ctx.user_id if user_id is None else user_id
        # Everything a rule can look at is in the key, so a remembered decision is exact.
        key = (
            rule,
            ctx.user_id,
            ctx.project_id,
            ctx.roles,
            ctx.user_domain_id,
            ctx.project_domain_id,
            target_project,
            target_user,
        )
        decision = self._remembered.get(key)
        if decision is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            target = {"project_id": target_project, "user_id": target_user}
            decision = bool(self._enforcer.enforce(rule, target, _credentials(ctx)))
            self._remembered[key] = decision
        return decision

    async def reload_if_changed(self) -> None:
        """Take up an edited policy.yaml; a broken one is refused and the old rules stay."""
        modified = _modified(self._file)
        if modified == self._modified:
            return
        self._modified = modified
        try:
            self._enforcer = _enforcer(self._defaults, self._file)
        except ValueError as error:
            log.error("policy_file_refused", error=str(error))
            return
        self._remembered.clear()
        log.info("policy_reloaded", file=str(self._file))


def _enforcer(defaults: Mapping[str, str], file: Path | None) -> oslo.Enforcer:
    conf = cfg.ConfigOpts()
    conf([], project="muster", default_config_files=[], default_config_dirs=[])
    enforcer = oslo.Enforcer(conf, policy_file=str(file) if file else None, use_conf=False)
    conf.set_override("policy_dirs", [], group="oslo_policy")
    enforcer.suppress_deprecation_warnings = True
    checks = {name: oslo.RuleDefault(name, check) for name, check in defaults.items()}
    for default in checks.values():
        enforcer.register_default(default)
    if file is None:
        enforcer.set_rules(
            {name: default.check for name, default in checks.items()}, use_conf=False
        )
        return enforcer
    try:
        file.read_bytes()
        enforcer.load_rules(force_reload=True)
    except Exception as error:
        raise ValueError(
            f"setting api.policy_file [MUSTER_API__POLICY_FILE]: {file}: {error}"
        ) from error
    # From here only `reload_if_changed` reads the file, so that a broken edit cannot fail requests.
    enforcer.use_conf = False
    return enforcer


def _credentials(ctx: RequestContext) -> dict[str, object]:
    return {
        "user_id": ctx.user_id,
        "project_id": ctx.project_id,
        "tenant": ctx.project_id,
        "roles": sorted(ctx.roles),
        "is_admin": ctx.is_admin,
        "user_domain_id": ctx.user_domain_id,
        "project_domain_id": ctx.project_domain_id,
        "is_admin_project": True,
    }


def _modified(file: Path | None) -> float | None:
    try:
        return file.stat().st_mtime if file else None
    except OSError:
        return None

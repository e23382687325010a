"""Every policy rule and its default: each module here is one resource and has its `RULES`.

Owns: collecting them. Names and defaults are Nova's, so that an operator's policy.yaml fits.
May not: decide. Crash story: none, tables.
"""

from __future__ import annotations

import importlib
import pkgutil

from services.api.operation import Misdeclared


def all_rules() -> dict[str, str]:
    """Rule name to check string; raises `Misdeclared` for one declared twice."""
    rules: dict[str, str] = {}
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        for name, check in importlib.import_module(module.name).RULES.items():
            if name in rules:
                raise Misdeclared(f"policy rule {name} is declared twice")
            rules[name] = check
    return rules

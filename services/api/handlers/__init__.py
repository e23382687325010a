"""Every operation: each module here is one resource and ends with its `OPERATIONS`.

Owns: collecting them. A new module is found by its being here.
May not: hold behaviour. Crash story: none.
"""

from __future__ import annotations

import importlib
import pkgutil

from services.api.operation import Misdeclared, Operation


def all_operations() -> list[Operation]:
    """The rows of all resources; raises `Misdeclared` for a module without."""
    rows: list[Operation] = []
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        declared = getattr(importlib.import_module(module.name), "OPERATIONS", None)
        if not declared:
            raise Misdeclared(f"{module.name} declares no OPERATIONS; every module here must")
        rows.extend(declared)
    return rows

"""Settings as TOML text. Owns: writing the few types that settings have. May not: read."""

from __future__ import annotations

import json
from typing import Any


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def dump(tree: dict[str, Any], path: tuple[str, ...] = ()) -> str:
    """Tables and dotted tables; what is None is left out, because TOML has no null."""
    lines = [
        f"{key} = {_value(value)}"
        for key, value in tree.items()
        if value is not None and not isinstance(value, dict)
    ]
    text = (f"[{'.'.join(path)}]\n" if path else "") + "\n".join(lines) + "\n\n" if lines else ""
    for key, value in tree.items():
        if isinstance(value, dict):
            text += dump(value, (*path, key))
    return text

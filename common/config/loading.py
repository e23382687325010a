"""Reading the settings at the start of a process, with problems told in a person's words.

Owns: the one line per wrong setting. May not: decide what happens then, except in `load_or_exit`.
Crash story: none; it runs before there is anything to lose.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import ValidationError

from common.config.settings import Settings, load

EXIT_BAD_SETTINGS = 2


def explain(error: ValidationError) -> list[str]:
    """One line per wrong setting: its name in the file, its variable, the reason."""
    lines = []
    for problem in error.errors(include_url=False):
        path = [str(part) for part in problem["loc"]]
        given = problem.get("input")
        shown = f" (got {given!r})" if isinstance(given, str | int | float) else ""
        if path[-1] in {"key", "url"} or "password" in path[-1] or "secret" in path[-1]:
            shown = ""
        variable = "MUSTER_" + "__".join(path).upper()
        lines.append(f"setting {'.'.join(path)} [{variable}]: {problem['msg']}{shown}")
    return lines


def load_or_exit(program: str) -> Settings:
    """The settings; prints what is wrong and exits with 2 when they are not usable."""
    file = os.environ.get("MUSTER_CONFIG")
    try:
        if file:
            Path(file).read_bytes()  # a missing file would count as an empty one
        return load()
    except ValidationError as error:
        for line in explain(error):
            sys.stderr.write(f"{program}: {line}\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{program}: MUSTER_CONFIG={file}: {error}\n")
    sys.exit(EXIT_BAD_SETTINGS)

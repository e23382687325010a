"""Files a request wants put into a guest (`personality`, to 2.56).

Owns: the limits on them. May not: do I/O. Crash story: none.
"""

from __future__ import annotations

import base64
from typing import Any

from common.db.stores.quotas import UNLIMITED, Caps, Limits
from common.errors import InvalidInput, OverQuota


def check(files: list[dict[str, Any]], limits: Limits | Caps) -> None:
    """Raises `OverQuota` or `InvalidInput` for injected files (below 2.57)."""
    most = limits["injected_files"]
    if most != UNLIMITED and len(files) > most:
        raise OverQuota(f"Personality file limit exceeded: at most {most} files are allowed.")
    for file in files:
        path, contents = file.get("path"), file.get("contents")
        if path is None or contents is None:
            missing = "path" if path is None else "contents"
            raise InvalidInput(f"Bad personality format: missing {missing}")
        longest, largest = (
            limits["injected_file_path_bytes"],
            limits["injected_file_content_bytes"],
        )
        if longest != UNLIMITED and len(path.encode()) > longest:
            raise OverQuota(f"Personality file path exceeds maximum {longest}")
        if largest != UNLIMITED and len(base64.decodebytes(contents.encode())) > largest:
            raise OverQuota(f"Personality file content exceeds maximum {largest}")

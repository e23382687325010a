"""Config drives: an ISO 9660 image that a guest finds by its label.

Owns: how files become an image (Joliet and Rock Ridge, so that every system sees the full names).
May not: know what is in the files. Slow and without an event loop: call it in a thread.
Crash story: none; nothing is written to disk here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import PurePosixPath

LABEL = "config-2"
ISO_LEVEL = 4
"""Names as long and as mixed as ours in the plain tree too."""


def image(files: Mapping[str, bytes]) -> bytes:
    """The image of `files`, contents by path."""
    import pycdlib  # 5 MiB that most hosts never need

    iso = pycdlib.PyCdlib()
    iso.new(
        interchange_level=ISO_LEVEL,
        vol_ident=LABEL,
        pub_ident_str="Muster",
        joliet=3,
        rock_ridge="1.09",
    )
    made: set[PurePosixPath] = {PurePosixPath("/")}
    for name, content in files.items():
        path = PurePosixPath("/") / name
        for folder in [*reversed(path.parents)]:
            if folder not in made:
                made.add(folder)
                iso.add_directory(str(folder), rr_name=folder.name, joliet_path=str(folder))
        iso.add_fp(
            io.BytesIO(content), len(content), str(path), rr_name=path.name, joliet_path=str(path)
        )
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()

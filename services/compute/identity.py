"""Who a host is, beyond its name.

Owns: `<state_dir>/<host>/host_id`, made once: two machines that report under one name differ here.
May not: be read before the driver has locked the directory.
Crash story: the file is replaced whole, so it is there complete or not at all.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from common.errors import HostCommandFailed
from common.runtime.ports import Ids

FILE_NAME = "host_id"


def load_host_id(directory: Path, ids: Ids) -> str:
    """The id kept in `directory`, a new one for a new host."""
    path = directory / FILE_NAME
    try:
        return str(UUID(path.read_text().strip()))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise HostCommandFailed(
            f"{path} is no host id ({error}); remove it to make this a new host"
        ) from error
    host_id = str(ids.uuid())
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_text(host_id + "\n")
        temporary.replace(path)
    except OSError as error:
        raise HostCommandFailed(f"cannot keep the host id in {path}: {error}") from error
    return host_id

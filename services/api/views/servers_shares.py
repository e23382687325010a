"""How a server's shares are shown."""

from __future__ import annotations

from typing import Any

from common.db.stores.server_shares import ServerShare


def listed(share: ServerShare) -> dict[str, Any]:
    return {"share_id": str(share.share_id), "status": share.status, "tag": share.tag}


def detailed(share: ServerShare, *, for_admin: bool) -> dict[str, Any]:
    """Administrators also see where it comes from."""
    shown = listed(share)
    if for_admin:
        shown |= {"uuid": str(share.uuid), "export_location": share.export_location}
    return shown

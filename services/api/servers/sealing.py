"""What a request gives to a guest and nobody else may read, as a workflow carries it.

Owns: sealing it for conductors. May not: keep, log or answer it otherwise than the request asks.
Crash story: it is in the row of the workflow, which is written with the request's other changes and
gone with the workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.auth.sealing import seal
from common.domain.guest_data.secrets import GuestSecrets, injected_files
from services.api.request import Request


def sealed_token(request: Request) -> dict[str, str]:
    """For the state of a workflow that makes something in the requester's name."""
    return {"sealed_token": seal(request.ctx.token, request.app.settings.sealing_key)}


def sealed_secrets(
    request: Request, password: str | None, files: Sequence[dict[str, Any]] = ()
) -> dict[str, str]:
    """For a workflow's state; empty when there is nothing to give. `files` have been checked."""
    if password is None and not files:
        return {}
    text = GuestSecrets(password, injected_files(files)).to_text()
    key = request.app.settings.sealing_key
    return {"sealed_secrets": seal(text, key)}

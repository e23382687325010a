"""What a guest is given beside its image, on its way from the database to its host.

Owns: the content of a config drive, gathered when a guest is made; secrets, which the request has
sealed for conductors and which are sealed here for the host; commands that carry them.
May not: let a secret into a queue, a log or the server's row.
Crash story: what is sealed stays in the workflow's state until the workflow ends, so whoever
resumes the step seals it again. A host that has been restarted in between cannot open it, which is
unavailable: the step is repeated and asks for the new key. When its deadline comes first the
workflow fails, and the server says so.

Input: state {"sealed_secrets"}: `GuestSecrets` sealed by common/auth/sealing, gone with the
workflow's row; absent when there is nothing secret.
"""

from __future__ import annotations

from typing import Any

from common.auth.sealed_boxes import seal_for
from common.auth.sealing import unseal
from common.db.stores import aggregates
from common.domain.guest_data.facts import apart
from common.domain.server import Server
from common.errors import Unavailable
from common.messages.compute import GuestSpec, HostReply
from common.neighbours.guest_facts import guest_facts
from services.conductor.engine.context import Context


async def with_facts(context: Context, host: str, server: Server, spec: GuestSpec) -> GuestSpec:
    """The spec of a guest on `host` with what its config drive says, if it is to have one. Raises
    `Unavailable` when somebody who knows a part of that does not answer."""
    if not spec.config_drive:
        return spec
    deps = context.deps
    default_zone = deps.settings.api.default_availability_zone
    facts = await guest_facts(
        server,
        deps.settings,
        deps.network,
        deps.vendor_data,
        zone=await aggregates.zone_of(deps.pool, host, default_zone) or default_zone,
    )
    return spec.model_copy(update={"facts": apart(facts)})


async def with_secrets(context: Context, host: str, spec: GuestSpec) -> GuestSpec:
    """The spec with the secrets of this workflow, if it has any."""
    sealed = await sealed_secrets(context, host)
    return spec if sealed is None else spec.model_copy(update={"sealed_secrets": sealed})


async def sealed_secrets(context: Context, host: str) -> str | None:
    """What was sealed for conductors, sealed for `host`."""
    sealed: str | None = context.state.get("sealed_secrets")
    return None if sealed is None else await seal_again(context, host, sealed)


async def seal_again(context: Context, host: str, sealed: str) -> str:
    """A text that was sealed for conductors, sealed for `host`."""
    server, deps = context.server, context.deps
    key = deps.sealing_keys.get(host)
    if key is None:
        asked = await context.command("sealing_key", host=host, generation=server.generation)
        key = str(asked.result["key"])
        deps.sealing_keys.put(host, key)
    secret = unseal(sealed, deps.settings.sealing_key)
    return seal_for(key, secret, about=str(server.uuid))


async def command(context: Context, verb: str, *, host: str, **arguments: Any) -> HostReply:
    """`context.command` for one that may carry what was sealed for `host`."""
    try:
        return await context.command(verb, host=host, **arguments)
    except Unavailable:
        context.deps.sealing_keys.forget(host)
        raise

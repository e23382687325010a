"""From a token to the caller.

Owns: who a request belongs to, and the answer when it belongs to nobody.
May not: decide about operations. Crash story: see common/auth/tokens.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from common.auth.roles import IMAGE_UPLOADER
from common.auth.tokens import Identity, TokenChecker
from common.errors import Forbidden, Unauthorized, Unavailable
from services.api.http.ratelimit import RateLimit
from services.api.policy import ADMIN_RULE, Policy
from services.api.request import RequestContext

TOKEN_HEADER = "X-Auth-Token"  # noqa: S105 - a header's name
GLOBAL_REQUEST_ID_HEADER = "X-OpenStack-Request-ID"


class Authenticator:
    """Makes the context of a request."""

    def __init__(self, tokens: TokenChecker, policy: Policy, bad_tokens: RateLimit) -> None:
        self._tokens = tokens
        self._policy = policy
        self._bad_tokens = bad_tokens

    async def context(
        self, headers: Mapping[str, str], client: str, request_id: str
    ) -> RequestContext:
        """Raises `Unauthorized` without a good token, `Unavailable` when identity is away, and 429
        when `client` has shown too many bad ones: before anybody is asked about the next.
        `Forbidden` for the user of the hosts: it may ask for nothing, not even what anybody may."""
        token = headers.get(TOKEN_HEADER, "")
        if not token or not token.isascii() or not token.isprintable():
            raise Unauthorized("The request you have made requires authentication.")
        identity = await self._checked(token, client)
        if identity.roles == {IMAGE_UPLOADER}:
            raise Forbidden("Hosts have no business here.")
        context = RequestContext(
            request_id=request_id,
            user_id=identity.user_id,
            user_name=identity.user_name,
            user_domain_id=identity.user_domain_id,
            project_id=identity.project_id or "",
            project_name=identity.project_name or "",
            project_domain_id=identity.project_domain_id or "",
            roles=identity.roles,
            is_admin=False,
            global_request_id=headers.get(GLOBAL_REQUEST_ID_HEADER),
            token=token,
        )
        if self._policy.allows(ADMIN_RULE, context):
            return replace(context, is_admin=True)
        return context

    async def _checked(self, token: str, client: str) -> Identity:
        if self._tokens.remembers(token):
            return await self._tokens.check(token)
        self._bad_tokens.take(client)
        try:
            identity = await self._tokens.check(token)
        except Unavailable:
            self._bad_tokens.give_back(client)
            raise
        self._bad_tokens.give_back(client)
        return identity

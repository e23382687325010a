"""Settings of who Muster is in the identity service.

Owns: section `identity`, the service user of the control plane, and `compute.identity`, the user of
the hosts. May not: read anything. Crash story: none.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from common.config.section import Section


class AccountSettings(Section):
    """A user that logs in with a password, into a project."""

    SECTION: ClassVar[str]
    """As in the environment: what to mend when the login is refused."""

    username: str
    password: SecretStr
    project_name: str = "service"
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"


class IdentitySettings(AccountSettings):
    """The service user with which Muster checks tokens and calls its neighbours."""

    SECTION = "IDENTITY"

    auth_url: str = "http://127.0.0.1:5000/identity"
    username: str = "muster"
    password: SecretStr = SecretStr("muster")
    region: str = "RegionOne"
    interface: Literal["public", "internal", "admin"] = "internal"
    """Which catalog endpoints Muster itself uses."""
    token_cache_s: float = Field(default=60.0, ge=0)
    """How long a checked token is believed without asking again."""
    www_authenticate_url: str | None = None
    """Shown to clients with a 401; default is auth_url."""


class HostAccountSettings(AccountSettings):
    """The user of the hosts, at the service of `identity.auth_url`. All it is for is giving the
    images of servers their data; a host has no other, so its machine is worth no more than that."""

    SECTION = "COMPUTE__IDENTITY"

    username: str = "muster-host"
    password: SecretStr = SecretStr("muster")

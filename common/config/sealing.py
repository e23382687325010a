"""Settings of secrets that pass through the database.

Owns: the section `sealing`. May not: read anything. Crash story: none.
"""

from __future__ import annotations

from pydantic import SecretStr, field_validator

from common.config.section import Section


class SealingSettings(Section):
    """The same for APIs and conductors; nobody else needs it."""

    key: SecretStr | None = None
    """What users give to their guests (passwords, files) is sealed with it on its way from an API
    to a conductor. Default: identity.password."""

    @field_validator("key", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

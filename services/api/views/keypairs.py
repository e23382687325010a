"""What key pairs look like."""

from __future__ import annotations

from services.api import versions
from services.api.views.fields import Field, View, attribute
from services.api.views.times import zoneless

_COMMON = [
    Field("name", attribute("name")),
    Field("public_key", attribute("public_key")),
    Field("fingerprint", attribute("fingerprint")),
    Field("type", attribute("type"), since=versions.KEYPAIR_TYPES),
]

ITEM = View(_COMMON)

CREATED = View([*_COMMON, Field("user_id", attribute("user_id"))])

DETAIL = View(
    [
        *_COMMON,
        Field("user_id", attribute("user_id")),
        Field("id", attribute("id")),
        Field("created_at", lambda keypair, _request: zoneless(keypair.created_at)),
        # A key pair never changes, and a deleted one is gone: clients still expect the keys.
        Field("updated_at", lambda _keypair, _request: None),
        Field("deleted_at", lambda _keypair, _request: None),
        Field("deleted", lambda _keypair, _request: False),
    ]
)

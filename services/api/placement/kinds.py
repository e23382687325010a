"""Resource classes and traits: the few there are.

Owns: their lists. May not: take up new ones. Crash story: none.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import inventories as store
from common.db.stores.inventories import COLUMNS
from common.domain.traits import TRAITS
from services.api.placement.errors import PlacementError, not_found
from services.api.placement.providers import ROOT
from services.api.placement.query import Ask

_TRUE, _FALSE = frozenset({"true", "1", "t", "yes"}), frozenset({"false", "0", "f", "no"})


def _class(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "links": [{"rel": "self", "href": f"{ROOT}/resource_classes/{name}"}],
    }


async def resource_classes(ask: Ask) -> Any:
    ask.only()
    return {"resource_classes": [_class(name) for name in COLUMNS]}


async def resource_class(ask: Ask) -> Any:
    name = ask.params["name"]
    if name not in COLUMNS:
        raise not_found(f"No such resource class {name}.")
    return _class(name)


async def traits(ask: Ask) -> Any:
    ask.only("name", "associated")
    found, name, associated = list(TRAITS), ask.one("name"), ask.one("associated")
    if name is not None:
        kind, _, value = name.partition(":")
        if kind == "startswith":
            found = [trait for trait in found if trait.startswith(value)]
        elif kind == "in":
            found = [trait for trait in found if trait in value.split(",")]
        else:
            raise PlacementError(400, f"Badly formatted name parameter: {name}.")
    if associated is not None:
        if associated.lower() not in _TRUE | _FALSE:
            raise PlacementError(400, f"associated must be true or false, not '{associated}'")
        providers = await store.providers(ask.pool, ask.ratios)
        had = frozenset().union(*(provider.traits for provider in providers))
        wanted = associated.lower() in _TRUE
        found = [trait for trait in found if (trait in had) is wanted]
    return {"traits": found}


async def trait(ask: Ask) -> Any:
    """That it exists is all there is to say: no body."""
    if ask.params["name"] not in TRAITS:
        raise not_found(f"No such trait(s): {ask.params['name']}.")

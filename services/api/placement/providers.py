"""Resource providers: the hosts, with what they have and what of it is used.

Owns: how a host is told as a provider. May not: write. Crash story: reads only.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import inventories as store
from common.db.stores.inventories import Inventory, Provider
from services.api.placement import versions
from services.api.placement.errors import not_found
from services.api.placement.query import Ask, Wanted, wanted

ROOT = "/placement"
_LINKS = (
    ("inventories", versions.MIN),
    ("usages", versions.MIN),
    ("aggregates", versions.AGGREGATES),
    ("traits", versions.TRAITS),
    ("allocations", versions.ALLOCATION_LINKS),
)


async def index(ask: Ask) -> Any:
    ask.only(
        "name",
        "uuid",
        member_of=versions.MEMBER_OF,
        resources=versions.RESOURCES,
        in_tree=versions.NESTED,
        required=versions.REQUIRED_OF_PROVIDERS,
    )
    conditions, name, uuid = wanted(ask), ask.one("name"), ask.one("uuid")
    found = [
        _shown(ask, provider)
        for provider in await store.providers(ask.pool, ask.ratios)
        if name in {None, provider.name}
        and uuid in {None, str(provider.uuid)}
        and suits(provider, conditions)
    ]
    return {"resource_providers": found}


def suits(provider: Provider, wanted: Wanted) -> bool:
    """Whether it is as wanted and has room."""
    return (
        all(
            name in provider.inventories and provider.inventories[name].fits(amount)
            for name, amount in wanted.amounts.items()
        )
        and all(provider.traits & either for either in wanted.required)
        and not provider.traits & wanted.forbidden
        and all(either.intersection(provider.aggregates) for either in wanted.member_of)
        and not wanted.not_member_of.intersection(provider.aggregates)
        and wanted.in_tree in {None, provider.uuid}
    )


async def load(ask: Ask) -> Provider:
    """The provider of the path."""
    uuid = ask.uuid("uuid", "resource provider")
    for provider in await store.providers(ask.pool, ask.ratios, uuid=uuid):
        return provider
    raise not_found(f"No resource provider with uuid {uuid} found")


async def show(ask: Ask) -> Any:
    return _shown(ask, await load(ask))


def _shown(ask: Ask, provider: Provider) -> dict[str, Any]:
    own = f"{ROOT}/resource_providers/{provider.uuid}"
    links = [{"rel": "self", "href": own}]
    links += [{"rel": rel, "href": f"{own}/{rel}"} for rel, since in _LINKS if ask.v >= since]
    shown: dict[str, Any] = {
        "uuid": provider.uuid,
        "name": provider.name,
        "generation": provider.generation,
        "links": links,
    }
    if ask.v >= versions.NESTED:
        shown |= {"parent_provider_uuid": None, "root_provider_uuid": provider.uuid}
    return shown


def _inventory(inventory: Inventory) -> dict[str, Any]:
    return {
        "total": inventory.total,
        "reserved": inventory.reserved,
        "min_unit": 1,
        "max_unit": inventory.total,
        "step_size": 1,
        "allocation_ratio": inventory.allocation_ratio,
    }


async def inventories(ask: Ask) -> Any:
    provider = await load(ask)
    return {
        "resource_provider_generation": provider.generation,
        "inventories": {name: _inventory(each) for name, each in provider.inventories.items()},
    }


async def inventory(ask: Ask) -> Any:
    provider, name = await load(ask), ask.params["resource_class"]
    if name not in provider.inventories:
        raise not_found(f"No inventory of class {name} for {provider.uuid}")
    shown = _inventory(provider.inventories[name])
    return {"resource_provider_generation": provider.generation, **shown}


async def usages(ask: Ask) -> Any:
    provider = await load(ask)
    return {
        "resource_provider_generation": provider.generation,
        "usages": {name: each.used for name, each in provider.inventories.items()},
    }


async def aggregates(ask: Ask) -> Any:
    provider = await load(ask)
    shown: dict[str, Any] = {"aggregates": provider.aggregates}
    if ask.v >= versions.AGGREGATES_GENERATION:
        shown["resource_provider_generation"] = provider.generation
    return shown


async def traits(ask: Ask) -> Any:
    provider = await load(ask)
    return {
        "resource_provider_generation": provider.generation,
        "traits": sorted(provider.traits),
    }


async def allocations(ask: Ask) -> Any:
    provider = await load(ask)
    held = await store.consumers_of(ask.pool, provider.uuid)
    return {
        "resource_provider_generation": provider.generation,
        "allocations": {str(uuid): {"resources": amounts} for uuid, amounts in held.items()},
    }

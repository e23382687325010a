"""What a handler of the Placement API is given, and how it reads what clients ask for.

Owns: the request, and the grammar of `resources`, `required` and `member_of`.
May not: look anything up. Crash story: none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from common.db.pool import Pool
from common.db.stores.claims import Ratios
from common.db.stores.inventories import COLUMNS
from common.domain.traits import TRAITS
from services.api.identifiers import parse_number, parse_uuid
from services.api.placement import versions
from services.api.placement.errors import PlacementError, not_found
from services.api.request import RequestContext


@dataclass(frozen=True)
class Ask:
    """One request."""

    pool: Pool
    ratios: Ratios
    ctx: RequestContext
    v: int
    params: dict[str, str]
    query: dict[str, list[str]]

    def one(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[-1] if values else None

    def only(self, *names: str, **later: int) -> None:
        """Raises for a parameter of another name, or one of `later` before its version."""
        known = {*names, *(name for name, since in later.items() if self.v >= since)}
        for unknown in sorted(self.query.keys() - known):
            raise PlacementError(
                400, f"Invalid query string parameters: '{unknown}' is not known here."
            )

    def uuid(self, name: str, what: str) -> UUID:
        """A parameter of the path; what is no UUID is nobody's."""
        found = parse_uuid(self.params[name])
        if found is None:
            raise not_found(f"No {what} with uuid {self.params[name]} found")
        return found


@dataclass(frozen=True)
class Wanted:
    """What a provider must be like."""

    amounts: dict[str, int]
    required: tuple[frozenset[str], ...] = ()
    """Of each of these it has one trait."""
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[UUID], ...] = ()
    """It is in one aggregate of each of these."""
    not_member_of: frozenset[UUID] = frozenset()
    in_tree: UUID | None = None


def wanted(ask: Ask, suffix: str = "", *, of_root: bool = False) -> Wanted:
    """Of the parameters with that suffix, or of `root_required`. Raises for what cannot be read,
    or is newer than the version."""
    if of_root:
        return Wanted({}, *_traits(ask, ask.query.get("root_required", [])))
    required, forbidden = _traits(ask, ask.query.get(f"required{suffix}", []))
    inside, outside = _aggregates(ask, ask.query.get(f"member_of{suffix}", []))
    in_tree = ask.one(f"in_tree{suffix}")
    return Wanted(
        _amounts(ask.query.get(f"resources{suffix}", [])),
        required,
        forbidden,
        inside,
        outside,
        None if in_tree is None else _uuid(in_tree),
    )


def _amounts(texts: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in (each for text in texts for each in text.split(",")):
        name, _, amount = part.partition(":")
        number = parse_number(amount)
        if not number:
            raise PlacementError(400, f"Badly formed resources parameter: '{part}'.")
        if name not in COLUMNS:
            raise PlacementError(400, f"Invalid resource class in resources parameter: {name}")
        found[name] = number
    return found


def _traits(ask: Ask, texts: Collection[str]) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for text in texts:
        if text.startswith("in:"):
            if ask.v < versions.ANY_TRAITS:
                raise PlacementError(400, "The format 'in:' of required is not known yet.")
            required.append(frozenset(text.removeprefix("in:").split(",")))
            continue
        for name in text.split(","):
            if name.startswith("!"):
                if ask.v < versions.FORBIDDEN_TRAITS:
                    raise PlacementError(400, "Forbidden traits are not known yet.")
                forbidden.add(name[1:])
            else:
                required.append(frozenset({name}))
    for name in sorted(forbidden.union(*required)):
        if name not in TRAITS and not name.startswith("CUSTOM_"):
            raise PlacementError(400, f"No such trait(s): {name}.")
    return tuple(required), frozenset(forbidden)


def _aggregates(
    ask: Ask, texts: Iterable[str]
) -> tuple[tuple[frozenset[UUID], ...], frozenset[UUID]]:
    inside: list[frozenset[UUID]] = []
    outside: set[UUID] = set()
    for text in texts:
        named = frozenset(
            _uuid(each) for each in text.removeprefix("!").removeprefix("in:").split(",")
        )
        if text.startswith("!"):
            if ask.v < versions.FORBIDDEN_AGGREGATES:
                raise PlacementError(400, "Forbidden member_of is not known yet.")
            outside |= named
        else:
            inside.append(named)
    return tuple(inside), frozenset(outside)


def _uuid(text: str) -> UUID:
    found = parse_uuid(text)
    if found is None:
        raise PlacementError(400, f"Expected parameter to be a uuid, got: {text}")
    return found

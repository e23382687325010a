"""Groups of resources that are asked for together: `resources1=VCPU:1&required1=...`.

Owns: which parameters belong to one group, and what several ask of a host at once.
May not: look anything up. Crash story: pure functions.

A host is one provider without children, and none shares with others. So all groups come from the
same host or from none; `group_policy=isolate`, which wants another provider for each, finds none.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from common.db.stores.inventories import Provider
from services.api.placement import versions
from services.api.placement.errors import PlacementError
from services.api.placement.providers import suits
from services.api.placement.query import Ask, Wanted, wanted

_PREFIXES = "resources|required|member_of|in_tree"
_NUMBERED = re.compile(rf"(?:{_PREFIXES})([1-9][0-9]{{0,63}})", re.ASCII)
_NAMED = re.compile(rf"(?:{_PREFIXES})([A-Za-z0-9_-]{{1,64}})", re.ASCII)


@dataclass(frozen=True)
class Groups:
    by_suffix: dict[str, Wanted]
    """The one without a suffix is under the empty text."""
    amounts: dict[str, int]
    """Of all of them."""
    isolated: bool
    """Whether several must come from different providers."""
    of_the_tree: Wanted
    """What the root of the tree must be like, which is the host itself."""

    def suits(self, provider: Provider) -> bool:
        together = Wanted(self.amounts)
        wanted = (self.of_the_tree, together, *self.by_suffix.values())
        return not (self.isolated and _several(self.by_suffix)) and all(
            suits(provider, each) for each in wanted
        )


def suffixes(ask: Ask) -> dict[str, str]:
    """The parameters with a suffix, each with its suffix."""
    if ask.v < versions.GROUP_POLICY:
        return {}
    form = _NAMED if ask.v >= versions.NAMED_GROUPS else _NUMBERED
    return {
        name: match[1]
        for name in ask.query
        if (match := form.fullmatch(name))
        and (ask.v >= versions.TREE_OF_CANDIDATES or not name.startswith("in_tree"))
    }


def read(ask: Ask) -> Groups:
    """Raises for what does not go together."""
    plain = wanted(ask)
    found = {suffix: wanted(ask, suffix) for suffix in sorted(set(suffixes(ask).values()))}
    free = _subtrees(ask, found)
    if plain != Wanted({}):
        found = {"": plain, **found}
    amounts: Counter[str] = Counter()
    for suffix, each in found.items():
        amounts.update(each.amounts)
        if not each.amounts and suffix not in free:
            raise PlacementError(400, f"'resources{suffix}' is a required property")
    if not amounts:
        raise PlacementError(400, "'resources' is a required property")
    policy = ask.one("group_policy")
    if policy not in {None, "none", "isolate"}:
        raise PlacementError(400, f"group_policy must be none or isolate, not '{policy}'")
    if policy is None and _several(found):
        raise PlacementError(400, "group_policy is needed with several groups of resources")
    return Groups(found, dict(amounts), policy == "isolate", wanted(ask, of_root=True))


def _several(groups: dict[str, Wanted]) -> bool:
    return sum(bool(suffix and each.amounts) for suffix, each in groups.items()) > 1


def _subtrees(ask: Ask, groups: dict[str, Wanted]) -> set[str]:
    """Suffixes of groups that belong to one subtree; such a group need not have resources."""
    named = {
        suffix
        for text in ask.query.get("same_subtree", [])
        for suffix in text.split(",")
    }  # fmt: skip
    if unknown := named - groups.keys():
        raise PlacementError(400, f"same_subtree names no group: {', '.join(sorted(unknown))}")
    return named

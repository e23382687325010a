"""The word that stands for an inventory."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from common.domain.states import PowerState
from services.compute.drivers.base import GuestInfo, Hold, Phase
from services.compute.inventory import Inventory
from tests.contracts.examples import NOW, RESOURCES, SERVER

GUEST = GuestInfo(SERVER, 2, "web-1", PowerState.RUNNING, NOW, Phase.READY)
OTHER = replace(GUEST, uuid=SERVER[::-1])


def digest(*guests: GuestInfo, **resources: object) -> str:
    return Inventory().digest(guests, RESOURCES.model_copy(update=resources))


def test_the_order_of_guests_says_nothing() -> None:
    assert digest(GUEST, OTHER) == digest(OTHER, GUEST)


@pytest.mark.parametrize(
    "passing",
    [{"uptime": "up 2 days"}, {"booted_at": NOW + dt.timedelta(1)}, {"running_guests": 9}],
    ids=str,
)
def test_what_passes_says_nothing(passing: dict[str, object]) -> None:
    assert digest(GUEST, **passing) == digest(GUEST)
    moved = replace(GUEST, since=NOW + dt.timedelta(1), hold=None)
    assert digest(moved) == digest(GUEST)
    held = replace(GUEST, hold=Hold(1, "made"))
    assert digest(held) == digest(replace(held, hold=Hold(2, "fenced")))


def test_whatever_a_conductor_acts_on_is_another_word() -> None:
    words = [
        digest(),
        digest(GUEST),
        digest(GUEST, OTHER),
        digest(replace(GUEST, generation=3)),
        digest(replace(GUEST, power_state=PowerState.PAUSED)),
        digest(replace(GUEST, hold=Hold(1, "made"))),
        digest(GUEST, vcpus=17),
        digest(GUEST, reserved_memory_mib=1),
        digest(GUEST, host_ip="127.0.0.2"),
    ]
    assert len(set(words)) == len(words)


def test_one_inventory_follows_changes_back_and_forth() -> None:
    inventory = Inventory()
    first = inventory.digest([GUEST], RESOURCES)
    assert inventory.digest([], RESOURCES) == digest()
    assert inventory.digest([GUEST], RESOURCES) == first

"""What a simulated host reads back from its directory, whole or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.domain.states import PowerState
from common.errors import HostCommandFailed, InvalidInput
from services.compute.drivers.base import Phase
from services.compute.drivers.simulated.store import (
    TOMBSTONE_KEPT_S,
    Guest,
    GuestStore,
    check_uuid,
    host_directory,
)
from tests.integration.drivers.support import make_spec

NOW = 1_800_000_000.0


def make_guest(generation: int = 1) -> Guest:
    spec = make_spec(generation=generation)
    return Guest(spec, Phase.READY, PowerState.PAUSED, NOW, "image", ((NOW, "boot"),))


def reopened(directory: Path, now: float = NOW) -> GuestStore:
    store = GuestStore(directory)
    store.open(now)
    store.close()
    return store


def test_a_guest_comes_back_as_it_was(tmp_path: Path) -> None:
    store, guest = GuestStore(tmp_path), make_guest()
    store.open(NOW)
    store.save(guest)
    store.close()
    assert reopened(tmp_path).guests == {guest.uuid: guest}


def test_an_interrupted_destroy_is_finished(tmp_path: Path) -> None:
    store, guest = GuestStore(tmp_path), make_guest()
    store.open(NOW)
    store.save(guest)
    file = tmp_path / "guests" / f"{guest.uuid}.json"
    state = file.read_bytes()
    store.bury(guest.uuid, 1, NOW)
    store.close()
    file.write_bytes(state)  # killed between the tombstone and the removal
    assert reopened(tmp_path).guests == {}
    assert not file.exists()


def test_an_interrupted_write_is_forgotten(tmp_path: Path) -> None:
    reopened(tmp_path)
    torn = tmp_path / "guests" / "x.json.tmp"
    torn.write_bytes(b'{"v"')
    assert reopened(tmp_path).guests == {}
    assert not torn.exists()


def test_a_torn_tombstone_hides_no_other(tmp_path: Path) -> None:
    store, guest = GuestStore(tmp_path), make_guest(generation=4)
    store.open(NOW)
    store.bury(guest.uuid, 4, NOW)
    store.bury(guest.uuid, 3, NOW)  # a late destroy lowers nothing
    store.close()
    with (tmp_path / "tombstones").open("ab") as file:
        file.write(b'{"uuid": "y", "gen')
    assert reopened(tmp_path).destroyed_generation(guest.uuid) == 4
    again = reopened(tmp_path)
    assert again.destroyed_generation(guest.uuid) == 4
    assert again.destroyed_generation("y") == -1


def test_old_tombstones_are_dropped(tmp_path: Path) -> None:
    store = GuestStore(tmp_path)
    store.open(NOW)
    store.bury("old", 1, NOW)
    store.bury("new", 1, NOW + 10)
    store.close()
    later = reopened(tmp_path, NOW + TOMBSTONE_KEPT_S + 5)
    assert (later.destroyed_generation("old"), later.destroyed_generation("new")) == (-1, 1)


def test_a_damaged_guest_is_named(tmp_path: Path) -> None:
    reopened(tmp_path)
    (tmp_path / "guests" / "bad.json").write_bytes(b"")
    with pytest.raises(HostCommandFailed, match=r"bad\.json.*remove it"):
        reopened(tmp_path)
    (tmp_path / "guests" / "bad.json").unlink()
    reopened(tmp_path)  # the refused start let go of the host


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b"])
def test_host_names_that_are_no_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"compute\.hosts"):
        host_directory(tmp_path, name)


@pytest.mark.parametrize("uuid", ["", "../../etc/passwd", "A" * 36, "0" * 36])
def test_uuids_that_are_none(uuid: str) -> None:
    with pytest.raises(InvalidInput, match=r"spec\.uuid"):
        check_uuid(uuid)

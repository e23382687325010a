"""The document store: all or nothing, in memory and on disk, also when it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Bug
from services.standins.store import Collection, Doc, Store


def open_store(path: Path) -> tuple[Store, Collection]:
    store = Store(path)
    things = store.collection("thing", color=lambda d: [d["color"]], tag=lambda d: d["tags"])
    store.open()
    return store, things


def thing(doc_id: str, color: str = "red", *tags: str) -> Doc:
    return {"id": doc_id, "color": color, "tags": list(tags)}


def test_documents_and_indexes_survive_reopening(tmp_path: Path) -> None:
    path = tmp_path / "new" / "s.sqlite"
    store, things = open_store(path)
    with store.transaction():
        for n in range(5):
            things.put(thing(str(n), "red" if n % 2 else "blue", "t", str(n)))
        things.delete("3")
    with store.transaction():
        things.put(thing("1", "green"))
    store.close()
    store, things = open_store(path)
    assert [d["id"] for d in things] == ["0", "1", "2", "4"]
    assert [d["id"] for d in things.find("color", "blue")] == ["0", "2", "4"]
    assert things.first("color", "green") == thing("1", "green")
    assert things.count("tag", "t") == 3
    assert things.find("color", "red") == []
    store.close()


def test_a_transaction_that_raises_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store, things = open_store(path)
    with store.transaction():
        things.put(thing("a"))
        things.put(thing("b", "blue"))
    revision = store.revision

    def fail() -> None:
        with store.transaction():
            things.put(thing("a", "green"))
            things.delete("b")
            things.put(thing("c", "blue"))
            assert things.count("color", "blue") == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert things.get("a") == thing("a")
    assert [d["id"] for d in things.find("color", "blue")] == ["b"]
    assert "c" not in things
    assert store.revision == revision
    store.close()
    store, things = open_store(path)
    assert {d["id"] for d in things} == {"a", "b"}
    store.close()


def test_changes_outside_a_transaction_are_a_bug(tmp_path: Path) -> None:
    store, things = open_store(tmp_path / "s.sqlite")
    with pytest.raises(Bug):
        things.put(thing("a"))
    assert "a" not in things
    store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from services.standins.store import Store
store = Store(Path(sys.argv[1]))
things = store.collection("thing", color=lambda d: [d["color"]], tag=lambda d: d["tags"])
store.open()
for n in range(100):
    with store.transaction():
        things.put({"id": str(n), "color": "red", "tags": []})
try:
    with store.transaction():
        things.put({"id": "unfinished", "color": "red", "tags": []})
        os.kill(os.getpid(), signal.SIGKILL)
finally:
    pass
"""


def test_kill_minus_nine_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    store, things = open_store(path)
    assert len(things) == 100
    assert "unfinished" not in things
    store.close()


Steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "fail"]),
        st.sampled_from("abc"),
        st.sampled_from(["red", "blue"]),
    ),
    max_size=30,
)


@settings(deadline=None)  # a busy machine writes slowly
@given(steps=Steps)
def test_indexes_always_agree_with_the_documents(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("store") / "s.sqlite"
    store, things = open_store(path)
    expected: dict[str, Doc] = {}
    for verb, doc_id, color in steps:
        try:
            with store.transaction():
                if verb == "delete":
                    things.delete(doc_id)
                    expected.pop(doc_id, None)
                else:
                    things.put(thing(doc_id, color, color, "all"))
                    if verb == "fail":
                        raise ZeroDivisionError
                    expected[doc_id] = thing(doc_id, color, color, "all")
        except ZeroDivisionError:
            continue
    for _ in range(2):
        assert {d["id"]: d for d in things} == expected
        for color in ("red", "blue"):
            ids = {d["id"] for d in expected.values() if d["color"] == color}
            assert {d["id"] for d in things.find("color", color)} == ids
            assert things.count("tag", color) == len(ids)
        assert things.count("tag", "all") == len(expected)
        store.close()
        store, things = open_store(path)
    store.close()

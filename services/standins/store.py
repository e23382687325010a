"""The document store of a stand-in: dictionaries to read from, SQLite to survive.

Owns: the state file, the documents in memory and their indexes, the transaction.
May not: know what any document means, or be used from two threads or two processes.

Why this shape. Everything fits in memory (a document is about 1 KiB; 10,000 ports are 10 MiB) and
the token check is on the hot path of every service, so a read is a dictionary look-up. SQLite is
in the standard library, needs no server, and a commit in WAL mode with synchronous=NORMAL costs
some 30 microseconds because nothing waits for the disk.

Crash story: a transaction is written in one SQLite commit before the answer leaves, so an
acknowledged change survives kill -9; a loss of power may take the last moments, never the file's
consistency. A transaction that raises leaves memory and file as they were.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from common.errors import Bug, InvalidInput

Doc = dict[str, Any]
"""A JSON object with an `id`. A value: replaced by `put`, never changed in place, because undoing
a transaction puts the former object back."""

Keys = Callable[[Doc], Iterable[Hashable]]

FORMAT = 1
"""Raised when documents of an older format can no longer be read."""


class Collection:
    """Documents of one kind, by id and by declared indexes; iteration is in order of creation."""

    def __init__(self, store: Store, kind: str, indexes: Mapping[str, Keys]) -> None:
        self.kind = kind
        self._store = store
        self._docs: dict[str, Doc] = {}
        self._keys = dict(indexes)
        self._buckets: dict[str, dict[Hashable, dict[str, None]]] = {n: {} for n in indexes}

    def __len__(self) -> int:
        return len(self._docs)

    def __contains__(self, doc_id: str) -> bool:
        return doc_id in self._docs

    def __iter__(self) -> Iterator[Doc]:
        return iter(self._docs.values())

    def get(self, doc_id: str) -> Doc | None:
        return self._docs.get(doc_id)

    def find(self, index: str, key: Hashable) -> list[Doc]:
        """All documents under `key`, oldest first."""
        return [self._docs[i] for i in self._buckets[index].get(key, ())]

    def first(self, index: str, key: Hashable) -> Doc | None:
        return next((self._docs[i] for i in self._buckets[index].get(key, ())), None)

    def count(self, index: str, key: Hashable) -> int:
        return len(self._buckets[index].get(key, ()))

    def put(self, doc: Doc) -> Doc:
        """Add or replace; only inside a transaction."""
        self._store.record(self, doc["id"], self._docs.get(doc["id"]), doc)
        self.apply(doc["id"], doc)
        return doc

    def delete(self, doc_id: str) -> None:
        """Remove if present; only inside a transaction."""
        if (old := self._docs.get(doc_id)) is not None:
            self._store.record(self, doc_id, old, None)
            self.apply(doc_id, None)

    def apply(self, doc_id: str, doc: Doc | None) -> None:
        """Change memory alone: for the store, when it loads and when it undoes."""
        old = self._docs.get(doc_id)
        for name, keys in self._keys.items():
            buckets = self._buckets[name]
            before = tuple(keys(old)) if old is not None else ()
            after = tuple(keys(doc)) if doc is not None else ()
            if before == after:
                continue
            for key in before:
                if (bucket := buckets.get(key)) is not None:
                    bucket.pop(doc_id, None)
                    if not bucket:
                        del buckets[key]
            for key in after:
                buckets.setdefault(key, {})[doc_id] = None
        if doc is None:
            self._docs.pop(doc_id, None)
        else:
            self._docs[doc_id] = doc


class Store:
    """All collections of one stand-in over one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revision = 0
        """Grows with every transaction that changed something: what is derived from documents may
        be kept for as long as this stands still."""
        self._collections: dict[str, Collection] = {}
        self._changes: list[tuple[Collection, str, Doc | None, Doc | None]] = []
        self._depth = 0
        self._file: sqlite3.Connection | None = None

    def collection(self, kind: str, **indexes: Keys) -> Collection:
        """Declare a kind of document; before `open()`."""
        return self._collections.setdefault(kind, Collection(self, kind, indexes))

    def open(self) -> None:
        """Lock the file and load it; InvalidInput with one line of advice when that cannot be."""
        advice = "move it away to start afresh, or set MUSTER_STANDINS__STATE_DIR"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The loop has one thread; autocommit because transactions are opened explicitly.
            self._file = sqlite3.connect(self.path, timeout=2.0, isolation_level=None)
            self._prepare(self._file, advice)
            self._load(self._file)
        except (sqlite3.Error, OSError, orjson.JSONDecodeError) as error:
            self.close()
            if "locked" in str(error):
                reason = "is in use by another process: stop that one, or give this one its own"
                raise InvalidInput(f"state file {self.path} {reason} state_dir") from error
            raise InvalidInput(f"state file {self.path} is unusable ({error}): {advice}") from error
        except InvalidInput:
            self.close()
            raise

    def _prepare(self, file: sqlite3.Connection, advice: str) -> None:
        # An exclusive lock held for life is what makes memory the truth between two writes.
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute("BEGIN IMMEDIATE")
        found = file.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, FORMAT}:
            file.execute("ROLLBACK")
            raise InvalidInput(
                f"state file {self.path} has format {found}, this program reads {FORMAT}: {advice}"
            )
        file.execute(
            "CREATE TABLE IF NOT EXISTS documents ("
            "seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,"
            " UNIQUE (kind, id))"
        )
        file.execute(f"PRAGMA user_version = {FORMAT}")
        file.execute("COMMIT")

    def _load(self, file: sqlite3.Connection) -> None:
        for kind, doc_id, body in file.execute("SELECT kind, id, body FROM documents ORDER BY seq"):
            # A kind nobody declares was left by a newer program: it stays for that one.
            if (collection := self._collections.get(kind)) is not None:
                collection.apply(doc_id, orjson.loads(body))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, in memory and on disk. An inner one joins the outer one.

        The body must not await: readers would see half of it.
        """
        self._depth += 1
        try:
            yield
            if self._depth == 1 and self._changes:
                self._write()
                self.revision += 1
        except BaseException:
            if self._depth == 1:
                for collection, doc_id, old, _ in reversed(self._changes):
                    collection.apply(doc_id, old)
            raise
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._changes.clear()

    def record(self, collection: Collection, doc_id: str, old: Doc | None, new: Doc | None) -> None:
        """Note one change for the commit and for the undo."""
        if not self._depth:
            raise Bug(f"{collection.kind} {doc_id} changed outside a transaction")
        self._changes.append((collection, doc_id, old, new))

    def _write(self) -> None:
        if self._file is None:
            raise Bug("the store is closed")
        final = {(c.kind, doc_id): new for c, doc_id, _, new in self._changes}
        puts = [(k, i, orjson.dumps(doc)) for (k, i), doc in final.items() if doc is not None]
        gone = [key for key, doc in final.items() if doc is None]
        self._file.execute("BEGIN")
        try:
            self._file.executemany(
                "INSERT INTO documents (kind, id, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                puts,
            )
            self._file.executemany("DELETE FROM documents WHERE kind = ? AND id = ?", gone)
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise

"""The KV of documents that were evaluated on their own, in memory and on disk.

A document that is evaluated after the preamble and nothing else has KV that depends neither on the query nor on the
other documents. So it can be computed when a corpus is indexed, and a rerank costs the query's tokens only. It is no
more than a cache: an entry that is damaged, gone or cannot be written is computed again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from .kv_files import read_entry, write_entry

_log = logging.getLogger(__name__)

_ENTRY, _PART = ".kv", ".part"
_LOOKS = 8  # per limit: so much of it a process may write before it sees what the others wrote
_ABANDONED = 3600  # seconds after which a half-written file belongs to nobody any longer

States = tuple[bytes, ...]
"""One document's KV as llama.cpp saves it, in pieces that are put back one after the other."""


@dataclass(frozen=True, slots=True)
class KVStats:
    """What a `DocumentKV` holds and how it did.

    Attributes:
        entries: documents on disk, or in memory where there is no folder.
        bytes: their size.
        in_memory: bytes held in memory.
        hits: lookups that found a document, by this object.
        misses: lookups that did not.
    """

    entries: int
    bytes: int
    in_memory: int
    hits: int
    misses: int


class DocumentKV:
    """Documents' KV by key; the least recently used go first. Any thread may use it, several processes one folder.

    An entry takes about 23 KB a token for the embedded model.

    ```python
    from ragloom.rag.llm.attention.document_kv import DocumentKV

    cache = DocumentKV(memory=1_000_000)
    cache.put("a", (b"state",))
    print(cache.get("a"), cache.get("b"), cache.stats().hits)  # -> (b'state',) None 1
    ```
    """

    def __init__(self, folder: Path | None = None, *, memory: int = 256_000_000, disk: int = 2_000_000_000) -> None:
        """Keep at most `memory` bytes in memory and `disk` bytes in `folder`, which is made when something is put.

        Where several processes write, each may exceed `disk` by an eighth of it until it looks again.
        """
        self.folder = folder
        self._memory_limit, self._disk_limit = memory, disk
        self._memory: OrderedDict[str, States] = OrderedDict()
        self._held = self._hits = self._misses = 0
        self._room = 0  # bytes to write before the folder is looked through again: other processes write there, too
        self._lock = threading.Lock()

    def get(self, key: str) -> States | None:
        """A document's KV, or None."""
        with self._lock:
            found = self._memory.get(key)
            if found is not None:
                self._memory.move_to_end(key)
                self._touch(key)
            else:
                found = self._read(key)
                if found is not None:
                    self._remember(key, found)
            self._hits += found is not None
            self._misses += found is None
            return found

    def put(self, key: str, states: Sequence[bytes]) -> None:
        """Keep a document's KV. Where it cannot be written it is kept in memory only, and the log says so."""
        with self._lock:
            self._remember(key, tuple(states))
            if self.folder is None or _size(states) > self._disk_limit:
                return
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_entry(self._path(key), states, _PART)
                self._room -= _size(states)
                if self._room < 0:
                    self._evict()
            except OSError as error:
                _log.warning("cannot keep the KV of a document in %s: %s", self.folder, error)

    def drop(self, key: str) -> None:
        """Forget a document, in memory and on disk."""
        with self._lock:
            self._held -= _size(self._memory.pop(key, ()))
            if self.folder is not None:
                _remove(self._path(key))

    def clear(self) -> None:
        """Forget all documents, those of other processes too."""
        with self._lock:
            self._memory.clear()
            self._held = 0
            for path in self._files():
                _remove(path)

    def stats(self) -> KVStats:
        """What is held now; the folder is looked through."""
        with self._lock:
            sizes = [stat[1] for path in self._files() if path.suffix == _ENTRY and (stat := _stat(path))]
            if self.folder is None:
                sizes = [_size(states) for states in self._memory.values()]
            return KVStats(len(sizes), sum(sizes), self._held, self._hits, self._misses)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}{_ENTRY}"

    def _files(self) -> list[Path]:
        if self.folder is None or not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if path.suffix in {_ENTRY, _PART}]

    def _read(self, key: str) -> States | None:
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            found = read_entry(path)
        except FileNotFoundError:
            return None
        except (OSError, ModelError) as error:
            _log.warning("the KV of a document is computed again: %s: %s", path, error)
            _remove(path)
            return None
        self._touch(key)
        return found

    def _touch(self, key: str) -> None:
        """Note on disk that the entry is in use, for all processes."""
        if self.folder is not None:
            try:
                os.utime(self._path(key))
            except OSError as error:
                _log.debug("cannot note the use of %s: %s", key, error)

    def _remember(self, key: str, states: States) -> None:
        self._held -= _size(self._memory.pop(key, ()))
        if _size(states) > self._memory_limit:
            return
        self._held += _size(states)
        self._memory[key] = states
        while self._held > self._memory_limit:
            _, dropped = self._memory.popitem(last=False)
            self._held -= _size(dropped)

    def _evict(self) -> None:
        """Remove the entries used longest ago until the rest fits, and what killed processes left half-written."""
        entries, total = [], 0
        for path in self._files():
            if (stat := _stat(path)) is None:
                continue
            used, size = stat
            if path.suffix == _PART:
                if time.time() - used > _ABANDONED:
                    _remove(path)
                continue
            entries.append((used, size, path))
            total += size
        for _, size, path in sorted(entries):
            if total <= self._disk_limit:
                break
            _remove(path)
            total -= size
        self._room = min(self._disk_limit - total, self._disk_limit // _LOOKS)


def _size(states: Sequence[bytes]) -> int:
    return sum(map(len, states))


def _stat(path: Path) -> tuple[float, int] | None:
    """Time of the last use and size; None if another process removed it meanwhile."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime, stat.st_size


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # on Windows another process may be reading it
        _log.debug("cannot remove %s: %s", path, error)

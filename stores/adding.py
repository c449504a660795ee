"""What an `add` does to the database: which chunks are new, which stay, which go.

A stream of chunks is cut into groups; each group is planned against what is stored, its new texts are embedded, and
the plan is committed as one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from .clock import Stopwatch
from .database import Database
from .errors import CorpusError
from .rows import Placement, placement, to_json
from .types import AddReport, Chunk, Source
from .writer import Writer

COMMIT_CHUNKS = 256
"""About how many chunks one transaction holds; a source is never split over two."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a group changes.

    Attributes:
        sources: those that are new or differ from what is stored, in any part.
        fresh: chunks whose text has to be embedded.
        moved: chunks whose text is there, but not their place or metadata: `(key, chunk)`.
        rows: chunk id to row, of the whole group.
        stale: keys of stored chunks that go; those of a changed text under the same id are among them.
        removed: how many of them go for good.
        shrunk: ids of other sources, which lose chunks to those of the group.
    """

    sources: list[Source]
    fresh: list[Chunk]
    moved: list[tuple[int, Chunk]]
    rows: dict[str, Placement]
    stale: set[int]
    removed: int
    shrunk: set[str]

    @property
    def is_empty(self) -> bool:
        """Whether everything is there already, unchanged."""
        return not (self.sources or self.fresh or self.moved or self.stale)


def make_plan(database: Database, group: Sequence[Chunk]) -> Plan:
    """Compare a group with what is stored.

    Raises:
        CorpusError: metadata have no JSON form.
    """
    wanted = {chunk.id: chunk for chunk in group}
    sources = {chunk.source.id: chunk.source for chunk in group}
    rows = {id_: placement(chunk) for id_, chunk in wanted.items()}
    stored = database.stored(list(wanted))
    known = {id_: database.source(id_) for id_ in sources}

    fresh = [c for id_, c in wanted.items() if id_ not in stored or stored[id_].indexed_text != c.embedded_text]
    changed = {chunk.id for chunk in fresh}
    kept = {id_: old for id_, old in stored.items() if id_ not in changed}
    moved = [
        (old.key, wanted[id_])
        for id_, old in kept.items()
        if (old.placement, old.source) != (rows[id_], wanted[id_].source.id)
    ]
    replaced = [id_ for id_, old in known.items() if old is not None and _is_other_version(old, sources[id_])]
    rewritten = {old.key for id_, old in stored.items() if id_ in changed}
    stale = (set(database.keys_of_sources(replaced)) | rewritten) - {old.key for old in kept.values()}
    return Plan(
        sources=[source for id_, source in sources.items() if not _is_stored(source, known[id_])],
        fresh=fresh,
        moved=moved,
        rows=rows,
        stale=stale,
        removed=len(stale - rewritten),
        shrunk={old.source for old in stored.values()} - set(sources),
    )


def commit_plan(database: Database, plan: Plan, vectors: NDArray[np.float32], meta: Mapping[str, str]) -> None:
    """Write a plan in one transaction, with `vectors` (a row for each of `plan.fresh`) and what to note in `meta`.

    The indexes have followed every write before this one.
    """
    with database.transaction() as writer:
        writer.forget_removed(writer.generation - 1)
        for name, value in meta.items():
            writer.set_meta(name, value)
        writer.remove_chunks(plan.stale)
        keys = {source.id: writer.put_source(source) for source in plan.sources}
        for chunk_key, chunk in plan.moved:
            writer.move_chunk(chunk_key, _key_of(chunk, keys, writer), plan.rows[chunk.id])
        for chunk, vector in zip(plan.fresh, vectors, strict=True):
            writer.put_chunk(chunk.id, _key_of(chunk, keys, writer), plan.rows[chunk.id], vector)
        writer.settle_shrunk(plan.shrunk)


def _key_of(chunk: Chunk, keys: dict[str, int], writer: Writer) -> int:
    if chunk.source.id not in keys:
        keys[chunk.source.id] = writer.put_source(chunk.source)
    return keys[chunk.source.id]


def _is_stored(source: Source, old: Source | None) -> bool:
    if old is None or (source.title, source.text, source.fingerprint) != (old.title, old.text, old.fingerprint):
        return False
    return to_json(source.metadata, source.id) == to_json(old.metadata, source.id)


def _is_other_version(old: Source, new: Source) -> bool:
    return (old.text, old.fingerprint) != (new.text, new.fingerprint)


def as_groups(items: Iterable[Chunk | Document | str]) -> Iterator[list[Chunk]]:
    """Turn what `add` is given into chunks and cut them into groups, only between sources.

    Raises:
        TypeError: an item is neither chunk, document nor text.
        CorpusError: two chunks disagree about the text of their source, or share an id; a text has a lone surrogate.
    """
    seen = _Seen()
    group: list[Chunk] = []
    for chunk in map(as_chunk, items):
        seen.check(chunk)
        if len(group) >= COMMIT_CHUNKS and chunk.source.id != group[-1].source.id:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group


def as_chunk(item: Chunk | Document | str) -> Chunk:
    """Turn one item that `add` is given into a chunk.

    Raises:
        TypeError: it is neither chunk, document nor text.
    """
    if isinstance(item, Chunk):
        return item
    if isinstance(item, Document):
        return Chunk.from_document(item)
    if isinstance(item, str):
        return Chunk.from_text(item)
    raise TypeError(f"add takes chunks, LangChain documents or texts, not {type(item).__name__}: {item!r:.80}")


class _Seen:
    """The sources and chunks of one `add` so far; within it, an id stands for one thing."""

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._chunks: dict[str, int] = {}
        self._last: Source | None = None

    def check(self, chunk: Chunk) -> None:
        source = chunk.source
        if source is not self._last:
            for text in (source.id, source.title, source.fingerprint, source.text):
                _check_unicode(text, source.id)
            content = hash((source.text, source.fingerprint))
            if self._sources.setdefault(source.id, content) != content:
                raise CorpusError(
                    f"source {source.id!r:.80} comes twice with different texts; give each document an id of its own"
                )
            self._last = source
        for text in (chunk.id, *chunk.heading):
            _check_unicode(text, source.id)
        content = hash((source.id, chunk.embedded_text))
        if self._chunks.setdefault(chunk.id, content) != content:
            raise CorpusError(
                f"chunk id {chunk.id!r:.80} comes twice with different texts; give each chunk an id of its own"
            )


def _check_unicode(text: str, owner: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"{owner!r:.80}: {text[max(0, error.start - 20) : error.end + 20]!r} contains a lone "
            "surrogate (half a character) and cannot be stored; read the file with errors='replace'"
        ) from error


class Tally:
    """Counts of an `add` while it runs."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.done = self.removed = 0
        self.added: dict[str, None] = {}
        self.cut: list[str] = []
        self.watch = Stopwatch("embed", "store", "lexical", "dense")

    def count(self, group: Sequence[Chunk], plan: Plan) -> None:
        """Count a group that was committed."""
        self.done += len(group)
        self.removed += plan.removed
        self.added.update(dict.fromkeys(chunk.id for chunk in plan.fresh))

    def report(self) -> AddReport:
        """What was done so far."""
        added = tuple(self.added)
        return AddReport(added, self.done - len(added), self.removed, len(added), tuple(self.cut), self.watch.seconds)

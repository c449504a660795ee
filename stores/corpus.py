"""A corpus: chunks of documents, found by words and by meaning, and still there after a power cut.

SQLite is the truth; the lexical (tantivy) and the dense (Chroma) index are derived from it. A write is one SQLite
transaction, after which both indexes follow; what `add` has acknowledged is on disk and searchable. A killed writer
leaves an index behind at worst, and whoever opens the corpus next lets it catch up. One process writes at a time;
readers notice a new generation on their next query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from .._paths import expand_user
from .adding import Tally, as_groups, commit_plan, make_plan
from .corpus_embedder import CorpusEmbedder
from .embedder import Fingerprint, TextEmbedder
from .errors import CorpusError
from .fields import Field
from .files import Files
from .filters import Filters
from .folder import open_database
from .indexes import Indexes
from .locks import WriterLock
from .query import Mode, Query, Ranker
from .remembered import Remembered
from .types import AddProgress, AddReport, Chunk, CorpusStats, Hit, RepairReport, Source
from .where import Where

if TYPE_CHECKING:
    from .retriever import CorpusRetriever

Value = TypeVar("Value")


class Corpus:
    """Documents in a folder, with hybrid search.

    ```python
    from ragloom import Corpus

    corpus = Corpus("./index")
    corpus.add(["Mole meets Rat at the river.", "Toad steals a motor-car."])
    for hit in corpus.search("Who takes the car?", k=1):
        print(hit.rank, hit.document.page_content)
    ```

    Threads may share it; processes open one each.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        embedder: TextEmbedder | Embeddings | str | Path | None = None,
        language: str | None = None,
        create: bool = True,
    ) -> None:
        """Open the corpus in the folder `path`, or make an empty one; the embedder is loaded when it is first needed.

        Args:
            path: the folder.
            embedder: a sentence-transformers model by name or folder, LangChain `Embeddings`, or a `TextEmbedder`; by
                default the one that the corpus was made with, `embedded` for a new corpus.
            language: `en` and the like set the stemmer, `other` none; by default the corpus' own, `en` for a new one.
            create: make the corpus if there is none.

        Raises:
            CorpusNotFoundError: there is none, and `create` is false.
            CorpusCorruptError: a file of it is damaged; the message says which and what to do.
            CorpusError: it is in another language or of another version of ragloom, or the folder cannot be written.
            QueryError: there is no such language.
        """
        self.path = expand_user(path).resolve()
        self._database = open_database(self.path, language=language, create=create)
        self.language = self._database.language
        self._embedder = CorpusEmbedder(embedder, self._database, self.path)
        self._writer = WriterLock(self.path / "write.lock")
        self._indexes = Indexes(self.path, self.language, self._database, self._writer)
        self._filters = Filters(self._database)
        self._remembered = Remembered()
        self._ranker = Ranker(self._database, self._indexes)

    @property
    def embedder(self) -> TextEmbedder:
        """The embedder, not necessarily loaded yet."""
        return self._embedder.embedder

    @property
    def embedder_fingerprint(self) -> Fingerprint | None:
        """The fingerprint that the corpus' vectors were made with; None before the first."""
        return self._database.state().embedder

    @property
    def version(self) -> str:
        """Another one after every write; for caches."""
        state = self._database.state()
        return f"{state.epoch}.{state.generation}"

    def check_embedder(self) -> None:
        """Check that the embedder is the one that the corpus' vectors were made with; it is loaded for that.

        Raises:
            EmbedderMismatchError: it is another one; the message names both.
            EmbedderError: it cannot be loaded.
        """
        self._embedder.check(self.embedder_fingerprint)

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the embedder reads; once something is embedded, this is known without loading it."""
        return self._embedder.max_tokens

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock over several writes; each write takes it by itself otherwise.

        Threads that share this object queue up for it. What a killed writer left undone is finished first.

        Raises:
            CorpusLockedError: another process is writing; the message names it.
            CorpusCorruptError: an index cannot be read.
        """
        with self._writer.hold():
            self._indexes.follow()
            yield

    def add(
        self,
        chunks: Iterable[Chunk | Document | str],
        *,
        on_progress: Callable[[AddProgress], None] | None = None,
    ) -> AddReport:
        """Store chunks, LangChain documents or plain texts, embed and index them.

        A chunk whose id and text are already there is not embedded again. A source that comes with another text or
        fingerprint replaces all chunks it had. Chunks are committed in groups of about `COMMIT_CHUNKS`, never
        splitting a source that comes in one run; `on_progress` hears of each group once it is safe. Texts are not
        split: `AddReport.cut` names those that are longer than what the embedder reads.

        Raises:
            CorpusLockedError: another process is writing.
            CorpusFullError: the disk is full; what was acknowledged is safe.
            EmbedderMismatchError: the corpus was embedded by another model.
            CorpusError: an id comes twice with different texts, metadata have no JSON form, or a text is not valid
                Unicode.
            TypeError: an item is neither chunk, document nor text.
        """
        if isinstance(chunks, str | bytes | Document | Chunk):
            raise TypeError(f"add takes several chunks; put the one {type(chunks).__name__} into a list")
        total = len(chunks) if isinstance(chunks, Sequence) else None
        tally = Tally()
        with self.writing():
            for group in as_groups(chunks):
                self._add_group(group, tally)
                if on_progress is not None:
                    on_progress(AddProgress(tuple(chunk.id for chunk in group), tally.done, total))
        return tally.report()

    def _add_group(self, group: list[Chunk], tally: Tally) -> None:
        with tally.watch.stage("store"):
            plan = make_plan(self._database, group)
        with tally.watch.stage("embed"):
            if plan.fresh:
                self._embedder.check(self.embedder_fingerprint)
            texts = [chunk.embedded_text for chunk in plan.fresh]
            vectors = self._embedder.embed(texts)
            tally.cut += [plan.fresh[place].id for place in self._embedder.cut_off(texts)]
        if not plan.is_empty:
            with tally.watch.stage("store"):
                commit_plan(self._database, plan, vectors, self._embedder.notes() if plan.fresh else {})
            self._indexes.follow(tally.watch)
        tally.count(group, plan)

    def delete(
        self, ids: Sequence[str] | None = None, *, sources: Sequence[str] | None = None, where: Where | None = None
    ) -> int:
        """Delete chunks by id, by source, or by metadata; returns how many there were.

        Raises:
            CorpusLockedError: another process is writing.
            QueryError: `where` is malformed.
            TypeError: nothing says which chunks, or `ids` or `sources` is one text.
        """
        if ids is None and sources is None and not where:
            raise TypeError("delete takes ids=[...], sources=[...] or where={a condition}; give one of them")
        _reject_text("ids", ids)
        _reject_text("sources", sources)
        with self.writing():
            keys = set(self._database.keys(list(ids or ())).values())
            keys |= set(self._database.keys_of_sources(list(sources or ())))
            if where:
                keys |= set(self._database.matching(where))
            if not keys:
                return 0
            owners = self._database.sources_of_keys(list(keys))
            with self._database.transaction() as writer:
                removed = writer.remove_chunks(keys)
                writer.settle_shrunk(owners)
            self._indexes.follow()
        return removed

    def repair(self, *, reembed: bool = False) -> RepairReport:
        """Check the database, make both indexes again from it and compare the three; `reembed` makes the vectors anew.

        Raises:
            CorpusLockedError: another process is writing.
            CorpusCorruptError: the database itself is damaged.
            CorpusFullError: the disk is full; nothing is lost.
        """
        with self._writer.hold():
            self._database.check()
            vectors, cut = self._embedder.embed_all() if reembed else ({}, [])
            with self._database.transaction() as writer:  # a new generation, so that readers look at the new indexes
                for key, vector in vectors.items():
                    writer.put_vector(key, vector)
                if reembed:
                    writer.mark_incomplete(cut)
                    writer.start_epoch()
                    for name, value in self._embedder.notes().items():
                        writer.set_meta(name, value)
            self._indexes.rebuild()
        return RepairReport(self._database.count("chunks"), reembed, len(cut), self.inconsistencies())

    def search(
        self,
        query: str | None = None,
        *,
        vector: Sequence[float] | NDArray[np.float32] | None = None,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Where | None = None,
    ) -> list[Hit]:
        """The best `k` chunks, best first.

        Args:
            query: the question, for both sides.
            vector: a query vector of the corpus' dimension, used on the dense side instead of the query's (HyDE,
                feedback); without `query` the search is dense.
            k: how many chunks.
            mode: `hybrid` fuses BM25 and cosine by RRF; `dense` scores are cosines, `lexical` ones BM25.
            where: metadata conditions on what a hit shows, see `ragloom.stores.where`.

        Raises:
            QueryError: no or empty query, one longer than what the embedder reads, k below 1, unknown mode, vector of
                another length, malformed condition.
            EmbedderMismatchError: the corpus was embedded by another model.
        """
        asked = Query.checked(query, vector, k, mode)
        state = self._indexes.refresh()
        among = None if where is None or where == {} else self._filters.keys(where, state)
        if state.embedder is None or among == frozenset():
            return []
        asked.check_dimension(state.embedder.dimension)
        if asked.vector is None and asked.mode != "lexical":
            self._embedder.check(state.embedder)
        scored = self._ranker.rank(asked, state, among, self._embedder.embed_query)
        documents = self._database.documents([key for key, _ in scored])
        found = [(documents[key], score) for key, score in scored if key in documents]
        return [Hit(document, score, place) for place, (document, score) in enumerate(found, start=1)]

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The chunks with these ids, in the order asked for; unknown ids are left out."""
        _reject_text("ids", ids)
        keys = self._database.keys(list(ids))
        documents = self._database.documents(list(keys.values()))
        return [documents[keys[id_]] for id_ in ids if keys.get(id_) in documents]

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The unit vectors of these chunks, shape (ids, dimension), in the order asked for.

        Raises:
            CorpusError: an id is not in the corpus.
        """
        _reject_text("ids", ids)
        keys = self._database.keys(list(ids))
        missing = [id_ for id_ in ids if id_ not in keys]
        if missing:
            raise CorpusError(f"{self.path} has no chunk {missing[0]!r}" + (", and others" if len(missing) > 1 else ""))
        known, vectors = self._database.vectors(list(keys.values()))
        if not ids:
            recorded = self.embedder_fingerprint
            return np.zeros((0, recorded.dimension if recorded else 0), np.float32)
        rows = {key: row for row, key in enumerate(known)}
        return vectors[[rows[keys[id_]] for id_ in ids]]

    def fields(self) -> tuple[Field, ...]:
        """The metadata's fields, with their values and ranges, those that most chunks have first.

        They are worked out when they are first asked for, and again after a write: some 2.5 s at 100,000 chunks.
        """
        return self.remember("fields", self._database.fields)

    def count(self, where: Where) -> int:
        """How many chunks meet metadata conditions.

        Raises:
            QueryError: `where` is malformed.
        """
        return len(self._filters.keys(where, self._database.state()))

    def remember(self, name: str, make: Callable[[], Value]) -> Value:
        """What `make` works out of the corpus: made once, and again after the corpus has been written to."""
        return self._remembered.get(name, self._database.state(), make)

    def source(self, source_id: str) -> Source | None:
        """A source with the text that citations point into, or None."""
        return self._database.source(source_id)

    @property
    def files(self) -> Files:
        """Which files have been ingested whole; `ingest` keeps it."""
        return self._database.files

    def fingerprints(self, prefix: str = "") -> dict[str, str]:
        """Source id to fingerprint, of the sources whose id starts with `prefix`."""
        return self._database.fingerprints(prefix)

    def ids(self) -> list[str]:
        """Every chunk's id, oldest first."""
        return self._database.all_ids()

    def stats(self) -> CorpusStats:
        """Counts, sizes and settings."""
        state = self._database.state()
        return CorpusStats(
            path=str(self.path),
            sources=self._database.count("sources"),
            chunks=self._database.count("chunks"),
            generation=state.generation,
            language=self.language,
            embedder=state.embedder,
            bytes_on_disk=sum(_size(file) for file in self.path.rglob("*")),
        )

    def inconsistencies(self) -> tuple[str, ...]:
        """What differs between the database and its indexes, a line each; empty when all is well.

        What a writer at work has not brought to an index yet is no difference.
        """
        return self._indexes.inconsistencies()

    def as_retriever(self, **options: Any) -> CorpusRetriever:
        """A LangChain retriever over the corpus; `options` are its fields: `k`, `mode`, `where`.

        Raises:
            QueryError: there is no such option, or it cannot have that value.
        """
        from .retriever import make_retriever

        return make_retriever(self, options)

    def close(self) -> None:
        """Let go of files and threads."""
        self._ranker.close()
        self._indexes.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many chunks there are."""
        return self._database.count("chunks")

    def __repr__(self) -> str:
        return f"Corpus({str(self.path)!r})"


def _reject_text(name: str, value: object) -> None:
    if isinstance(value, str):
        raise TypeError(f"{name} takes several ids; put the one {value!r} into a list")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:  # an index removes files that it has merged
        return 0

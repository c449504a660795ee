"""A corpus: chunks of documents, found by words and by meaning, and still there after a power cut.

SQLite is the truth; the lexical (tantivy) and the dense (Chroma) index are derived from it. A write is one SQLite
transaction, after which both indexes follow; what `add` has acknowledged is on disk and searchable. A killed writer
leaves an index behind at worst, and whoever opens the corpus next lets it catch up. One process writes at a time;
readers notice a new generation on their next query.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from .database import Database
from .derived import DerivedIndex
from .embedder import Fingerprint, TextEncoder, as_encoder
from .errors import CorpusError, CorpusLockedError, CorpusNotFoundError, EmbedderMismatchError, QueryError
from .fusion import rrf
from .lexical import LexicalIndex
from .locks import WriterLock
from .types import AddProgress, AddReport, Chunk, CorpusStats, Hit, RepairReport, Source
from .vectors import DenseIndex
from .where import Where

if TYPE_CHECKING:
    from .retriever import CorpusRetriever

Mode = Literal["hybrid", "dense", "lexical"]

CANDIDATES = 100
"""How deep each retriever looks before fusion."""

COMMIT_CHUNKS = 256
"""About how many chunks one transaction holds; a source is never split over two."""

DATABASE = "corpus.sqlite3"


class Corpus:
    """Documents in a folder, with hybrid search.

    ```python
    from ragloom import Corpus

    corpus = Corpus("./index")
    corpus.add(["Mole meets Rat at the river.", "Toad steals a motor-car."])
    for hit in corpus.search("Who takes the car?", k=1):
        print(hit.rank, hit.document.page_content)
    ```
    """

    def __init__(
        self,
        path: str | Path,
        *,
        embedder: TextEncoder | Embeddings | str | Path | None = None,
        language: str | None = None,
        create: bool = True,
    ) -> None:
        """Open the corpus in the folder `path`, or make an empty one; the embedder is loaded when it is first needed.

        Args:
            path: the folder.
            embedder: a sentence-transformers model by name or folder, LangChain `Embeddings`, or a `TextEncoder`; by
                default the one that the corpus was made with, `embedded` for a new corpus.
            language: `en` and the like set the stemmer, `other` none; by default the corpus' own, `en` for a new one.
            create: make the corpus if there is none.

        Raises:
            CorpusNotFoundError: there is none, and `create` is false.
            CorpusCorruptError: a file of it is damaged; the message says which and what to do.
            CorpusError: it is in another language, or of a newer schema.
        """
        self.path = Path(path).expanduser().resolve()
        if not (self.path / DATABASE).is_file():
            if not create:
                raise CorpusNotFoundError(self.path)
            self._make_folder()
        self._database = Database(self.path / DATABASE)
        self._writer = WriterLock(self.path / "write.lock")
        self.language = self._settle_language(language)
        self._given_embedder = embedder
        self._lexical = LexicalIndex(self.path, self.language)
        self._dense = DenseIndex(self.path)
        self._refreshing = threading.RLock()
        self._seen = -1
        self._checked_embedder = False
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="ragloom-lexical")

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CorpusError(
                f"cannot make an index in {self.path}: {error.strerror}; choose another folder"
            ) from error

    def _settle_language(self, wanted: str | None) -> str:
        recorded = self._database.meta("language")
        if recorded is None:
            recorded = wanted or "en"
            with self._writer.hold(), self._database.transaction():
                self._database.set_meta("language", recorded)
        if wanted not in {None, recorded}:
            raise CorpusError(
                f"{self.path} is indexed in language {recorded!r}, not {wanted!r}; ingest again into a new index"
            )
        return recorded

    # -- the embedder

    @cached_property
    def embedder(self) -> TextEncoder:
        """The embedder, not necessarily loaded yet."""
        if self._given_embedder is not None:
            return as_encoder(self._given_embedder)
        return as_encoder(self._database.meta("embedder_model") or "embedded")

    @property
    def embedder_fingerprint(self) -> Fingerprint | None:
        """The fingerprint that the corpus' vectors were made with; None while there are none."""
        recorded = self._database.meta("embedder")
        return None if recorded is None else Fingerprint(**json.loads(recorded))

    def _check_embedder(self) -> None:
        if self._checked_embedder:
            return
        recorded = self.embedder_fingerprint
        if recorded is None:
            return
        given = self.embedder.fingerprint
        if given != recorded:
            raise EmbedderMismatchError(
                f"{self.path} holds vectors of {_describe(recorded)}, but the embedder is {_describe(given)}; open it"
                f" with {recorded.name}, or embed everything again: ragloom corpus repair {self.path} --reembed"
            )
        self._checked_embedder = True

    # -- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock over several writes; each write takes it by itself otherwise.

        Raises:
            CorpusLockedError: another process is writing; the message names it.
        """
        with self._writer.hold():
            yield

    def add(
        self,
        chunks: Iterable[Chunk | Document | str],
        *,
        on_progress: Callable[[AddProgress], None] | None = None,
    ) -> AddReport:
        """Store chunks, LangChain documents or plain texts, embed and index them.

        A chunk that is already there just so is not embedded again. A source that comes with another text or
        fingerprint replaces all chunks it had. Chunks are committed in groups of about `COMMIT_CHUNKS`, never
        splitting a source that comes in one run; `on_progress` hears of each group once it is safe.

        Raises:
            CorpusLockedError: another process is writing.
            CorpusFullError: the disk is full; what was acknowledged is safe.
            EmbedderMismatchError: the corpus was embedded by another model.
            CorpusError: two chunks disagree about the text of their source, or metadata have no JSON form.
            TypeError: an item is neither chunk, document nor text.
        """
        total = len(chunks) if isinstance(chunks, Sequence) else None
        if isinstance(chunks, str | Document | Chunk):
            raise TypeError(f"add takes several chunks; put the one {type(chunks).__name__} into a list")
        tally = _Tally()
        with self.writing():
            self._follow()
            for group in _groups(map(_as_chunk, chunks)):
                self._add_group(group, tally)
                if on_progress is not None:
                    ids = tuple(chunk.id for chunk in group)
                    on_progress(AddProgress(ids, tally.done, total))
        return tally.report()

    def _add_group(self, group: list[Chunk], tally: _Tally) -> None:
        sources = _sources(group)
        wanted = {chunk.id: chunk for chunk in group}
        present = self._database.indexed_texts(list(wanted))
        kept = {id_: key for id_, (key, text) in present.items() if text == wanted[id_].embedded_text}
        fresh = [chunk for id_, chunk in wanted.items() if id_ not in kept]
        replaced = [source.id for source in sources.values() if self._is_other_version(source)]
        stale = set(self._database.chunk_keys(replaced)) | {key for key, _ in present.values()}
        stale -= set(kept.values())

        started = time.perf_counter()
        if fresh:
            self._check_embedder()
        vectors = self.embedder.encode([chunk.embedded_text for chunk in fresh]) if fresh else np.zeros((0, 0))
        tally.clock("embed", started)

        started = time.perf_counter()
        with self._database.transaction() as generation:
            if fresh and self._database.meta("embedder") is None:
                self._record_embedder()
            self._database.forget_removed(min(self._lexical.generation, self._dense.generation))
            tally.removed += self._database.remove_chunks(stale, generation)
            source_keys = {source.id: self._database.put_source(source) for source in sources.values()}
            for id_, key in kept.items():
                self._database.move_chunk(key, wanted[id_], source_keys[wanted[id_].source.id])
            for chunk, vector in zip(fresh, vectors, strict=True):
                self._database.put_chunk(chunk, source_keys[chunk.source.id], generation, vector)
        tally.clock("store", started)
        self._follow(tally)
        tally.count(len(group), [chunk.id for chunk in fresh], len(kept))

    def _is_other_version(self, source: Source) -> bool:
        known = self._database.source(source.id)
        return known is not None and (known.text, known.fingerprint) != (source.text, source.fingerprint)

    def _record_embedder(self) -> None:
        self._database.set_meta("embedder", json.dumps(self.embedder.fingerprint.as_dict()))
        self._database.set_meta("embedder_model", getattr(self.embedder, "model", "") or "embedded")

    def delete(self, ids: Sequence[str] = (), *, sources: Sequence[str] = (), where: Where | None = None) -> int:
        """Delete chunks by key, by source, or by metadata; returns how many there were.

        Raises:
            CorpusLockedError: another process is writing.
            QueryError: `where` is malformed.
        """
        _reject_text("ids", ids)
        _reject_text("sources", sources)
        with self.writing():
            self._follow()
            keys = set(self._database.keys(list(ids)).values()) | set(self._database.chunk_keys(list(sources)))
            if where is not None:
                keys |= set(self._database.matching(where))
            if not keys:
                return 0
            owners = {document.metadata["source_id"] for document in self._database.documents(list(keys)).values()}
            with self._database.transaction() as generation:
                removed = self._database.remove_chunks(keys, generation)
                self._database.remove_sources(owners)
            self._follow()
        return removed

    def repair(self, *, reembed: bool = False) -> RepairReport:
        """Check the database, make both indexes again from it and compare the three; `reembed` makes the vectors anew.

        Raises:
            CorpusLockedError: another process is writing.
            CorpusCorruptError: the database itself is damaged.
        """
        with self.writing():
            self._database.check()
            if reembed:
                self._reembed()
            for index in self._indexes:
                index.close()
                index.rebuild(self._database)
            self._seen = self._database.generation
        return RepairReport(self._database.count("chunks"), reembed, self.inconsistencies())

    def _reembed(self) -> None:
        vectors: dict[int, NDArray[np.float32]] = {}
        for batch in self._database.added_since(0, COMMIT_CHUNKS):
            rows = self.embedder.encode([text for _, text, _ in batch])
            vectors.update(zip([key for key, _, _ in batch], rows, strict=True))
        with self._database.transaction() as generation:
            for key, vector in vectors.items():
                self._database.put_vector(key, vector, generation)
            self._record_embedder()
        self._checked_embedder = True

    # -- following the truth

    @property
    def _indexes(self) -> tuple[DerivedIndex, DerivedIndex]:
        return (self._lexical, self._dense)

    def _follow(self, tally: _Tally | None = None) -> None:
        """Let both indexes catch up; the caller holds the writer's lock."""
        with self._refreshing:
            for index in self._indexes:
                started = time.perf_counter()
                index.catch_up(self._database)
                if tally is not None:
                    tally.clock(index.name, started)
            self._seen = self._database.generation

    def _refresh(self) -> None:
        """Before a search: see what others have written since; finish what a killed writer left undone."""
        generation = self._database.generation
        if generation == self._seen:
            return
        with self._refreshing:
            for index in self._indexes:
                index.refresh()
            if any(index.generation < generation for index in self._indexes):
                try:
                    with self._writer.hold(wait_s=0):
                        self._follow()
                except CorpusLockedError:
                    return  # its writer is at work and has not acknowledged this generation yet
            self._seen = generation

    # -- reading

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
            where: metadata conditions, see `ragloom.stores.where`.

        Raises:
            QueryError: no or empty query, k below 1, unknown mode, vector of another length, malformed condition.
            EmbedderMismatchError: the corpus was embedded by another model.
        """
        mode = _check_query(query, vector, k, mode)
        self._refresh()
        keys = None if where is None else self._database.matching(where)
        if keys == [] or self.embedder_fingerprint is None:
            return []
        scored = self._rank(query, vector, max(k, CANDIDATES) if mode == "hybrid" else k, mode, keys)[:k]
        documents = self._database.documents([key for key, _ in scored])
        found = [(documents[key], score) for key, score in scored if key in documents]
        return [Hit(document, score, rank) for rank, (document, score) in enumerate(found, start=1)]

    def _rank(
        self,
        query: str | None,
        vector: Sequence[float] | NDArray[np.float32] | None,
        depth: int,
        mode: Mode,
        keys: list[int] | None,
    ) -> list[tuple[int, float]]:
        if mode == "lexical":
            return self._lexical.search(query or "", depth, keys)
        if mode == "dense":
            return self._dense.search(self._query_vector(query, vector), depth, keys)
        lexical = self._pool.submit(self._lexical.search, query or "", depth, keys)
        dense = self._dense.search(self._query_vector(query, vector), depth, keys)
        return rrf([[key for key, _ in lexical.result()], [key for key, _ in dense]])

    def _query_vector(
        self, query: str | None, vector: Sequence[float] | NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        recorded = self.embedder_fingerprint
        if vector is None:
            self._check_embedder()
            return self.embedder.encode_query(query or "")
        array = np.asarray(vector, np.float32)
        if recorded is not None and array.shape != (recorded.dimension,):
            raise QueryError(f"the vector has shape {array.shape}, the corpus' vectors have ({recorded.dimension},)")
        return array

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The chunks with these keys, in the order asked for; unknown keys are left out."""
        _reject_text("ids", ids)
        keys = self._database.keys(list(ids))
        documents = self._database.documents(list(keys.values()))
        return [documents[keys[id_]] for id_ in ids if id_ in keys]

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The unit vectors of these chunks, shape (ids, dimension), in the order asked for.

        Raises:
            CorpusError: a key is not in the corpus.
        """
        _reject_text("ids", ids)
        keys = self._database.keys(list(ids))
        missing = [id_ for id_ in ids if id_ not in keys]
        if missing:
            raise CorpusError(f"{self.path} has no chunk {missing[0]!r}" + (", and others" if len(missing) > 1 else ""))
        vectors = self._database.vectors(list(keys.values()))
        fingerprint = self.embedder_fingerprint
        dimension = fingerprint.dimension if fingerprint else 0
        return np.stack([vectors[keys[id_]] for id_ in ids]) if ids else np.zeros((0, dimension), np.float32)

    def source(self, source_id: str) -> Source | None:
        """A source with the text that citations point into, or None."""
        return self._database.source(source_id)

    def span(self, source_id: str, start: int, end: int) -> list[Document]:
        """The chunks of a source that overlap the span `[start:end]`, in order."""
        return self._database.neighbours(source_id, start, end)

    def fingerprints(self, prefix: str = "") -> dict[str, str]:
        """Source id to fingerprint, of the sources whose id starts with `prefix`."""
        return self._database.fingerprints(prefix)

    def ids(self) -> list[str]:
        """Every chunk's key, oldest first."""
        return self._database.all_ids()

    def rarity(self, text: str) -> dict[str, float]:
        """Each term of a text and its inverse document frequency, ln((N + 1) / (n + 1)); 0 if every chunk has it."""
        self._refresh()
        chunks = self._database.count("chunks")
        terms = dict.fromkeys(self._lexical.terms(text))
        return {t: float(np.log((chunks + 1) / (self._lexical.document_frequency(t) + 1))) for t in terms}

    def terms(self, text: str) -> list[str]:
        """The terms of a text as the lexical index sees them, in order."""
        return self._lexical.terms(text)

    def stats(self) -> CorpusStats:
        """Counts, sizes and settings."""
        self._refresh()
        files = [file for file in self.path.rglob("*") if file.is_file()]
        return CorpusStats(
            path=str(self.path),
            sources=self._database.count("sources"),
            chunks=self._database.count("chunks"),
            generation=self._database.generation,
            language=self.language,
            embedder=self.embedder_fingerprint,
            bytes_on_disk=sum(file.stat().st_size for file in files),
        )

    def inconsistencies(self) -> tuple[str, ...]:
        """What differs between the database and its indexes, a line each; empty when all is well."""
        self._refresh()
        truth = self._database.all_keys()
        lines = []
        for index in self._indexes:
            keys = index.keys()
            if keys != truth:
                lines.append(f"{index.name} index: {len(truth - keys)} chunks missing, {len(keys - truth)} too many")
        return tuple(lines)

    def as_retriever(self, **options: Any) -> CorpusRetriever:
        """A LangChain retriever over the corpus; `options` are its fields: `k`, `mode`, `where`."""
        from .retriever import CorpusRetriever

        return CorpusRetriever(corpus=self, **options)

    def close(self) -> None:
        """Let go of files and threads."""
        self._pool.shutdown()
        for index in self._indexes:
            index.close()
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


class _Tally:
    """Counts of an `add` while it runs."""

    def __init__(self) -> None:
        self.done = self.removed = self.unchanged = 0
        self.added: list[str] = []
        self.seconds = {"embed": 0.0, "store": 0.0, "lexical": 0.0, "dense": 0.0}

    def clock(self, stage: str, started: float) -> None:
        self.seconds[stage] += time.perf_counter() - started

    def count(self, done: int, added: Sequence[str], unchanged: int) -> None:
        self.done += done
        self.added += added
        self.unchanged += unchanged

    def report(self) -> AddReport:
        return AddReport(tuple(self.added), self.unchanged, self.removed, len(self.added), self.seconds)


def _as_chunk(item: Chunk | Document | str) -> Chunk:
    if isinstance(item, Chunk):
        return item
    if isinstance(item, Document):
        return Chunk.from_document(item)
    if isinstance(item, str):
        return Chunk.from_text(item)
    raise TypeError(f"add takes chunks, LangChain documents or texts, not {type(item).__name__}: {item!r:.80}")


def _groups(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Cut the stream into groups of about `COMMIT_CHUNKS`, only between sources."""
    group: list[Chunk] = []
    for chunk in chunks:
        if len(group) >= COMMIT_CHUNKS and chunk.source.id != group[-1].source.id:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group


def _sources(group: Sequence[Chunk]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for chunk in group:
        if sources.setdefault(chunk.source.id, chunk.source).text != chunk.source.text:
            raise CorpusError(f"two chunks of source {chunk.source.id!r} come with different texts of it")
    return sources


def _check_query(query: str | None, vector: object, k: int, mode: str) -> Mode:
    if mode not in get_args(Mode):
        raise QueryError(f"unknown mode {mode!r}; use one of {', '.join(get_args(Mode))}")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise QueryError(f"k must be a whole number above 0, not {k!r}")
    if query is not None and not isinstance(query, str):
        raise QueryError(f"the query must be a text, not {type(query).__name__}")
    if query is None or not query.strip():
        if vector is None or query is not None:
            raise QueryError("the query is empty; ask something")
        return "dense"
    return mode  # type: ignore[return-value]  # checked above


def _reject_text(name: str, value: object) -> None:
    if isinstance(value, str):
        raise TypeError(f"{name} takes several keys; put the one {value!r} into a list")


def _describe(fingerprint: Fingerprint) -> str:
    return f"{fingerprint.name} ({fingerprint.dimension} dimensions, {fingerprint.sha256[:8] or 'no hash'})"

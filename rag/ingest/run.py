"""One run of `ingest`: from jobs to a stream of chunks, and the counts of what became of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from ...stores.types import AddReport, Chunk
from . import fingerprint
from .errors import IngestError, LoadError
from .job import Job, read
from .split import Splitter
from .stored import Stored
from .types import IngestProgress, IngestReport, Loaded, Skipped

if TYPE_CHECKING:
    from ...stores.corpus import Corpus

_log = logging.getLogger(__name__)

MAX_TOKENS = 256
"""The default size of a chunk: long enough for a thought, short enough to be found by it."""


class Run:
    """The state of one run: `chunks` drives it, `report` tells of it afterwards.

    Attributes:
        gone: ids of stored documents that their file or scheme no longer has.
    """

    def __init__(
        self,
        corpus: Corpus,
        stored: Stored,
        skipped: list[Skipped],
        *,
        max_tokens: int | None = None,
        on_progress: Callable[[IngestProgress], None] | None = None,
    ) -> None:
        """Begin a run; nothing is read yet."""
        self.gone: set[str] = set()
        self._corpus = corpus
        self._stored = stored
        self._skipped = skipped
        self._max_tokens = max_tokens
        self._on_progress = on_progress
        self._failed: set[str] = set()  # keys of jobs that could not be read or split to the end
        self._faulty: set[str] = set()  # keys of those of which the loader left something out
        self._counts: Counter[str] = Counter()
        self._seconds = {"read": 0.0, "split": 0.0, "embed": 0.0}

    def chunks(self, jobs: Sequence[Job]) -> Iterator[Chunk]:
        """The chunks of what is new or changed, made while they are taken."""
        for job in jobs:
            self._tell(job.key, len(jobs))
            yield from self._of_file(job, job.target) if isinstance(job.target, Path) else self._of_scheme(job)
            self._counts["files"] += 1
        self._tell("", len(jobs))

    def report(self, added: AddReport | None, *, removed: int, walked: float) -> IngestReport:
        """What happened, with what the corpus tells of its part."""
        seconds = {"walk": walked, **self._seconds, "store": 0.0, "lexical": 0.0, "dense": 0.0}
        for stage, spent in (added.seconds if added else {}).items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
        return IngestReport(
            files=self._counts["files"],
            added=self._counts["added"],
            changed=self._counts["changed"],
            unchanged=self._counts["unchanged"],
            removed=removed,
            skipped=tuple(self._skipped),
            chunks=self._counts["chunks"],
            embedded=added.embedded if added else 0,
            seconds=seconds,
        )

    def _tell(self, path: str, total: int) -> None:
        if self._on_progress:
            self._on_progress(IngestProgress(self._counts["files"], total, path, self._counts["chunks"]))

    def _of_file(self, job: Job, path: Path) -> Iterator[Chunk]:
        """Chunks of what is new in a file; it is not even parsed if its seal is stored."""
        stored = self._stored.documents[job.key]
        try:
            with self._clock("read"):
                content = fingerprint.of_content(path)
        except OSError as error:
            self._fail(job, f"cannot be read: {error.strerror}")
            return
        if stored and fingerprint.has_seal(stored, fingerprint.seal(content, stored, self._settings(job))):
            self._counts["unchanged"] += len(stored)
            return
        held: Loaded | None = None
        marks: dict[str, str] = {}
        for loaded in self._documents(job):
            if held:
                yield from self._of_document(job, held, marks[held.source.id])
            held = loaded
            marks[loaded.source.id] = fingerprint.mark(loaded, self._settings(job))
        is_read = job.key not in self._failed
        if held:
            mark = marks[held.source.id]
            if is_read and job.key not in self._faulty:
                mark = fingerprint.sealed(mark, fingerprint.seal(content, marks, self._settings(job)))
            yield from self._of_document(job, held, mark)
        if is_read:
            self.gone |= stored.keys() - marks.keys()

    def _of_scheme(self, job: Job) -> Iterator[Chunk]:
        """Chunks of what is new in what a scheme stands for; there are no bytes to compare beforehand."""
        missing = set(self._stored.documents[job.key])
        for loaded in self._documents(job):
            missing.discard(loaded.source.id)
            yield from self._of_document(job, loaded, fingerprint.mark(loaded, self._settings(job)))
        if job.key not in self._failed:
            self.gone |= missing

    def _of_document(self, job: Job, loaded: Loaded, mark: str) -> list[Chunk]:
        """The chunks of a document; none if they are stored, or if it cannot be split, which fails the job."""
        before = self._stored.documents[job.key].get(loaded.source.id)
        outcome = "added" if before is None else "unchanged" if fingerprint.same(before, mark) else "changed"
        if before is not None and fingerprint.says_all_of(before, mark):
            self._counts[outcome] += 1
            return []
        splitter = self._splitter
        try:
            with self._clock("split"):
                chunks = splitter.split(replace(loaded, source=replace(loaded.source, fingerprint=mark)))
        except Exception as error:  # noqa: BLE001 - one document that trips a parser must not end the run
            _log.info("splitting %s failed", loaded.source.id, exc_info=True)
            self._fail(job, f"cannot be split ({type(error).__name__}: {error})", loaded.source.id)
            return []
        self._counts.update({outcome: 1, "chunks": len(chunks)})
        return chunks

    def _settings(self, job: Job) -> str:
        return fingerprint.settings(job.loader.name, self._max_tokens or MAX_TOKENS, self._reads)

    @cached_property
    def _reads(self) -> int:
        """Tokens that the embedder reads of a text; asked for late, since a new corpus has to load it to tell."""
        with self._clock("embed"):
            return self._corpus.max_tokens

    @cached_property
    def _splitter(self) -> Splitter:
        """Made when there is something to split, because it needs the embedder."""
        with self._clock("embed"):
            reads, tokenizer = self._corpus.embedder.max_tokens, self._corpus.embedder.tokenizer
        if self._max_tokens and self._max_tokens > reads:
            raise IngestError(f"max_tokens is {self._max_tokens}, but the embedder reads only {reads}; ask for less")
        return Splitter(tokenizer, self._max_tokens or min(MAX_TOKENS, reads), self._corpus.language)

    def _documents(self, job: Job) -> Iterator[Loaded]:
        """The documents of a job; what cannot be read is noted, and the job marked as failed or as faulty."""
        items = read(job)
        try:
            while True:
                with self._clock("read"):
                    item = next(items, None)
                if item is None:
                    return
                if isinstance(item, Loaded):
                    yield item
                else:
                    self._faulty.add(job.key)
                    self._skipped.append(item)
        except LoadError as error:
            self._fail(job, str(error))

    def _fail(self, job: Job, reason: str, source_id: str = "") -> None:
        self._failed.add(job.key)
        self._skipped.append(Skipped(source_id or job.key, reason))

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += perf_counter() - started

"""One run of `ingest`: from jobs to a stream of chunks, and the counts of what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...stores.clock import Stopwatch
from ...stores.files import Files
from ...stores.types import AddReport, Chunk
from . import fingerprint
from .cut import Cutter
from .errors import LoadError
from .job import Job, hash_content, read
from .stored import Stored
from .types import IngestProgress, IngestReport, Loaded, Skipped


@dataclass(slots=True)
class Run:
    """The state of one run: `chunks` drives it, `report` tells of it afterwards.

    Attributes:
        stored: what the corpus holds of the jobs.
        files: the corpus' notes about files.
        cutter: cuts what is new.
        watch: told how long each stage takes.
        skipped: what is left out, and why.
        gone: ids of stored documents that their file or scheme no longer has.
        whole: fingerprints of the files that were read whole and are not noted yet.
        counts: jobs done, chunks made, documents by what became of them.
    """

    stored: Stored
    files: Files
    cutter: Cutter
    watch: Stopwatch
    skipped: list[Skipped]
    gone: set[str] = field(default_factory=set)
    whole: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def chunks(self, jobs: Sequence[Job], on_progress: Callable[[IngestProgress], None] | None) -> Iterator[Chunk]:
        """The chunks of what is new or changed, made while they are taken."""
        tell = on_progress or (lambda _: None)
        for job in jobs:
            tell(IngestProgress(self.counts["jobs"], len(jobs), job.origin, self.counts["chunks"]))
            yield from self._of_job(job)
            self.counts["jobs"] += 1
        tell(IngestProgress(len(jobs), len(jobs), "", self.counts["chunks"]))

    def note_files(self) -> None:
        """Note the files that were read whole; a note holds once all documents of its file are committed."""
        self.files.note(self.whole)
        self.whole.clear()

    def report(self, added: AddReport, *, removed: int) -> IngestReport:
        """What happened, with what the corpus tells of its part."""
        self.watch.add(added.seconds)
        return IngestReport(
            files=self.counts["jobs"],
            added=self.counts["added"],
            changed=self.counts["changed"],
            unchanged=self.counts["unchanged"],
            removed=removed,
            skipped=tuple(self.skipped),
            chunks=self.counts["chunks"],
            embedded=added.embedded,
            seconds=self.watch.seconds,
        )

    def _of_job(self, job: Job) -> Iterator[Chunk]:
        """The chunks of what is new in a file or scheme; a file that is as it was noted is not even parsed."""
        stored = self.stored.documents[job.origin]
        skipped_before = len(self.skipped)
        given: dict[str, str] = {}
        try:
            with self.watch.stage("read"):
                content = hash_content(job)
            noted = self.files.fingerprint(job.origin)
            if noted and noted == fingerprint.of_file(content, stored, self.cutter.settings(job.loader.name)):
                self.counts["unchanged"] += len(stored)
                return
            for item in self.watch.over("read", read(job)):
                if isinstance(item, Skipped):
                    self.skipped.append(item)
                    continue
                mark = fingerprint.of_document(item, self.cutter.settings(job.loader.name))
                given[item.source.id] = mark
                yield from self._of_document(item, mark, stored.get(item.source.id))
        except LoadError as error:
            self.skipped.append(Skipped(job.origin, str(error)))
            return
        if not any(each.is_unread for each in self.skipped[skipped_before:]):
            self.gone |= stored.keys() - given.keys()
        if not given and len(self.skipped) == skipped_before:
            self.skipped.append(Skipped(job.origin, "no text in it"))
        if content and given and len(self.skipped) == skipped_before:
            self.whole[job.origin] = fingerprint.of_file(content, given, self.cutter.settings(job.loader.name))

    def _of_document(self, loaded: Loaded, mark: str, before: str | None) -> list[Chunk]:
        """The chunks of a document with the fingerprint `mark`; none if it is stored with it, or cannot be split."""
        if mark == before:
            self.counts["unchanged"] += 1
            return []
        try:
            chunks = self.cutter.cut(replace(loaded, source=replace(loaded.source, fingerprint=mark)))
        except LoadError as error:
            self.skipped.append(Skipped(loaded.source.id, str(error)))
            return []
        self.counts.update({"added" if before is None else "changed": 1, "chunks": len(chunks)})
        return chunks

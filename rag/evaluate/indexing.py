"""The documents of a dataset as a corpus: cut and embedded once, as `ingest` does it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from ...stores.clock import Stopwatch
from ...stores.corpus import Corpus
from ...stores.types import INCOMPLETE, AddProgress, Chunk, Source
from ..graph.running.caching import digest
from ..ingest.cut import Cutter
from ..ingest.split import SPLITTER_VERSION
from ..ingest.types import Loaded, Section
from .errors import EvaluateError
from .progress import Progress, Tell
from .types import Dataset

_MARK = "dataset:"
"""How fingerprints of a dataset's documents begin: only such a corpus may be changed."""


def index_documents(dataset: Dataset, folder: str | Path, *, on_progress: Tell | None = None) -> Corpus:
    """Open the corpus of a dataset's documents in `folder`, and bring it up to date with them.

    Documents that are new, or have another text, are cut, embedded and added; what the dataset does not have is
    deleted. A document's id becomes that of its source; the title of one without a text is its text.

    Raises:
        EvaluateError: the dataset has no documents, or the corpus there has others than a dataset's.
        CorpusLockedError: another process is writing there.
    """
    if not dataset.documents:
        raise EvaluateError(f"{dataset.name} has questions but no documents; name a corpus to ask them of")
    corpus = Corpus(folder)
    known = corpus.fingerprints()
    if any(not each.startswith(_MARK) and each != INCOMPLETE for each in known.values()):
        corpus.close()
        raise EvaluateError(f"{corpus.path} is a corpus of your own, which would be replaced; name another folder")
    wanted = [_marked(source) for source in map(_with_text, dataset.documents) if source.text.strip()]
    if gone := known.keys() - {source.id for source in wanted}:
        corpus.delete(sources=sorted(gone))
    missing = [source for source in wanted if known.get(source.id) != source.fingerprint]
    if not missing:
        return corpus
    cutter = Cutter(corpus, None, Stopwatch("embed", "split"))
    chunks: list[Chunk] = []
    for source in missing:
        chunks += cutter.cut(Loaded(source, (Section(0, len(source.text)),)))
    started = time.perf_counter()

    def tell(event: AddProgress) -> None:
        if on_progress:
            each = (time.perf_counter() - started) / max(1, event.done)
            on_progress(Progress(event.done, len(chunks), each * (len(chunks) - event.done), "pieces of documents"))

    corpus.add(chunks, on_progress=tell)
    return corpus


def _with_text(source: Source) -> Source:
    return source if source.text.strip() else replace(source, text=source.title, title="")


def _marked(source: Source) -> Source:
    """The source with a fingerprint that is another one where it would be cut into other chunks."""
    mark = _MARK + digest([SPLITTER_VERSION, source.title, source.text, source.metadata])
    return replace(source, fingerprint=mark)

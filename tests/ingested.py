"""What the tests of `ingest` look at."""

from __future__ import annotations

from pathlib import Path

from ragloom.rag.ingest import IngestReport
from ragloom.stores import Corpus


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    """Documents added, changed, unchanged and removed."""
    return report.added, report.changed, report.unchanged, report.removed


def stored(corpus: Corpus) -> list[str]:
    """The file names of the documents in the corpus."""
    return [Path(id_).name for id_ in corpus.fingerprints()]

"""Reports with metadata of every kind, for tests of what questions say about them."""

from __future__ import annotations

from typing import Any

from ragloom.stores import Chunk, Corpus

REPORTS: list[dict[str, Any]] = [
    {
        "author": "Ada Meyer",
        "year": 2015,
        "language": "Danish",
        "tags": ["sun", "farm"],
        "on": "2015-03-05",
        "new": False,
    },
    {"author": "Tom Rossi", "year": 2018, "language": "Italian", "tags": ["wind"], "on": "2018-11-30", "new": False},
    {"author": "Ada Meyer", "year": 2021, "language": "Danish", "tags": ["heat"], "on": "2021-03-31", "new": True},
    {"author": "Ada", "year": 2023, "language": "it", "tags": ["wind", "heat"], "on": "2023-01-01", "new": True},
]


def add_reports(corpus: Corpus) -> Corpus:
    """Fill a corpus with the reports; their ids are their places."""
    corpus.add([Chunk.from_text(f"A report, number {n}", id=str(n), metadata=each) for n, each in enumerate(REPORTS)])
    return corpus

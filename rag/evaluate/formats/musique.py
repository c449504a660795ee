"""MuSiQue as HippoRAG samples it: multi-hop questions, each with the paragraphs that support it and others.

Trivedi et al., "MuSiQue: Multihop Questions via Single-hop Question Composition", TACL 2022. The paragraphs of all
questions together are the documents, as in Gutiérrez et al., "HippoRAG", NeurIPS 2024. The first 30 questions are
`train`, the rest `test`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ....stores.types import Source
from ..types import Dataset, Question, Relevant
from .lines import Row, json_rows

TRAIN = 30
"""So many of the first questions are for choosing settings."""


def read_musique(file: Path) -> Dataset:
    """Read `questions.jsonl`.

    Raises:
        DatasetError: it is missing or malformed.
    """
    documents: dict[str, Source] = {}
    questions = []
    for place, row in enumerate(json_rows(file)):
        relevant = []
        for paragraph in row.several("paragraphs"):
            source = passage(paragraph)
            documents[source.id] = source
            if paragraph.fields.get("supporting"):
                relevant.append(Relevant(source.id))
        questions.append(
            Question(
                id=row.text("_id", "id"),
                text=row.text("question"),
                answers=(row.text("answer"), *row.texts("answer_aliases")),
                relevant=tuple(dict.fromkeys(relevant)),
                split="train" if place < TRAIN else "test",
            )
        )
    return Dataset("musique", tuple(questions), tuple(documents.values()))


def passage(row: Row) -> Source:
    """A passage with a title, as a document of its own; equal ones are the same document."""
    title, text = str(row.first("title") or ""), row.text("text")
    return Source(hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16], text, title)

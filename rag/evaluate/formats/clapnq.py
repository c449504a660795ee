"""CLAP NQ: questions with long answers, and questions that their passages do not answer.

Rosenthal et al., "CLAPnq: Cohesive Long-form Answers from Passages in Natural Questions for RAG systems", TACL 2025.
All passages together are the documents. Rows 1-100 of each file are `train`, the rest `test`.
"""

from __future__ import annotations

from pathlib import Path

from ....stores.types import Source
from ..types import Dataset, Question, Relevant
from .lines import json_rows
from .musique import passage

ANSWERABLE, UNANSWERABLE = "clapnq_dev_answerable.jsonl", "clapnq_dev_unanswerable.jsonl"

TRAIN = 100
"""So many of the first rows of each file are for choosing settings."""


def read_clapnq(folder: Path) -> Dataset:
    """Read both files of the development set.

    Raises:
        DatasetError: one is missing or malformed.
    """
    documents: dict[str, Source] = {}
    questions = []
    for name in (ANSWERABLE, UNANSWERABLE):
        answerable = name == ANSWERABLE
        for place, row in enumerate(json_rows(folder / name)):
            sources = [passage(each) for each in row.several("passages")]
            documents |= {source.id: source for source in sources}
            golds = [gold for each in row.several("output") for gold in each.texts("answer")] if answerable else []
            questions.append(
                Question(
                    id=row.text("id"),
                    text=row.text("input"),
                    answers=tuple(golds),
                    relevant=tuple(Relevant(source.id) for source in sources) if answerable else (),
                    answerable=answerable,
                    split="train" if place < TRAIN else "test",
                )
            )
    return Dataset("clapnq", tuple(questions), tuple(documents.values()))

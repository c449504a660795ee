"""TimeQA: questions about when things held, some of which their article does not answer.

Chen et al., "A Dataset for Answering Time-Sensitive Questions", NeurIPS 2021 Datasets and Benchmarks. Each question is
asked twice: `easy` names the interval of the fact, `hard` only lies within it. The articles are the documents, and the
places of the answers the evidence. Questions about articles A to F are `train`, the rest `test`.
"""

from __future__ import annotations

from pathlib import Path

from ....stores.types import Source
from ..types import Dataset, Question, Relevant
from .lines import Row, json_rows

LEVELS = ("human_train.easy.jsonl.gz", "human_train.hard.jsonl.gz")

_TRAIN = frozenset("ABCDEF")


def read_timeqa(*files: Path) -> Dataset:
    """Read files of one level each, such as `human_train.hard.jsonl.gz`.

    Raises:
        DatasetError: one is missing or malformed.
    """
    documents: dict[str, Source] = {}
    questions = []
    for file in files:
        level = file.name.split(".")[1]
        for row in json_rows(file):
            article = row.text("idx").partition("#")[0].removeprefix("/wiki/")
            documents[article] = Source(article, row.text("context"), article.replace("_", " "))
            questions.append(_question(row, article, level))
    levels = " and ".join(dict.fromkeys(question.id.partition(" ")[0] for question in questions))
    return Dataset(f"timeqa {levels}", tuple(questions), tuple(documents.values()))


def _question(row: Row, article: str, level: str) -> Question:
    places = list(zip(row.texts("targets"), row.numbers("from"), row.numbers("end"), strict=False))
    answers = [(text, start, end) for text, start, end in places if text]  # an empty one says that there is none
    return Question(
        id=f"{level} {row.text('idx')}",
        text=row.text("question"),
        answers=tuple(dict.fromkeys(text for text, _, _ in answers)),
        relevant=tuple(dict.fromkeys(Relevant(article, start, end) for _, start, end in answers)),
        answerable=bool(answers),
        split="train" if article[:1].upper() in _TRAIN else "test",
    )

"""BEIR: a folder with `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`.

Thakur et al., "BEIR: A Heterogenous Benchmark for Zero-shot Evaluation of Information Retrieval Models", NeurIPS 2021.
`queries.SPLIT.jsonl` and `qrels.SPLIT.tsv` beside each other are read, too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ....stores.types import Source
from ..errors import DatasetError
from ..types import Dataset, Question, Relevant
from .lines import Row, json_rows, table_rows

CORPUS = "corpus.jsonl"

_COLUMNS = ("query-id", "corpus-id", "score")


def read_beir(folder: Path) -> Dataset:
    """Read the questions of every split that are judged, and the documents.

    Raises:
        DatasetError: a file is missing or malformed, or a judgment is of an unknown query or document.
    """
    rows = {row.text("_id"): row for row in json_rows(folder / CORPUS)}
    documents = tuple(Source(key, _body(row), str(row.first("title") or "")) for key, row in rows.items())
    files = [*sorted((folder / "qrels").glob("*.tsv")), *sorted(folder.glob("qrels.*.tsv"))]
    if not files:
        raise DatasetError(folder, "has no judgments; BEIR keeps them in qrels/SPLIT.tsv")
    questions: dict[str, Question] = {}
    for question in (question for file in files for question in _of_split(folder, file, rows)):
        key = f"{question.split}/{question.id}" if question.id in questions else question.id  # judged in two splits
        questions[key] = replace(question, id=key)
    return Dataset(folder.name, tuple(questions.values()), documents)


def _body(row: Row) -> str:
    text = row.fields.get("text")
    if not isinstance(text, str):
        raise row.error("has no 'text'")
    return text


def _of_split(folder: Path, file: Path, documents: dict[str, Row]) -> list[Question]:
    split = file.stem.removeprefix("qrels.")
    own = folder / f"queries.{split}.jsonl"
    queries = {
        row.text("_id"): row.text("text") for row in json_rows(own if own.is_file() else folder / "queries.jsonl")
    }
    judged: dict[str, list[Relevant]] = {}
    for row in table_rows(file, "\t", _COLUMNS):
        query, document, grade = row.text("query-id"), row.text("corpus-id"), row.text("score")
        if query not in queries:
            raise row.error(f"judges the query {query!r}, which is in no file of queries")
        if document not in documents:
            raise row.error(f"judges the document {document!r}, which {CORPUS} does not have")
        if not grade.lstrip("-").isdecimal():
            raise row.error(f"'score' should be a whole number, not {grade!r}")
        relevant = judged.setdefault(query, [])
        if int(grade) > 0:
            relevant.append(Relevant(document, grade=int(grade)))
    return [Question(key, queries[key], relevant=tuple(found), split=split) for key, found in judged.items() if found]

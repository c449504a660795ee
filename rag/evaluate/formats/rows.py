"""A dataset of one's own: JSON lines or a spreadsheet with a row for each question.

| field or column | what |
|---|---|
| `question` | what is asked; `query` and `text` do, too |
| `answer` or `answers` | right answers |
| `evidence` | the documents that answer it: `leave.md`, or `leave.md[120:340]` for a span |
| `answerable` | `false` or `no` where the documents do not answer it |
| `id` | its name; by default the number of the line |
| `split` | the part that it belongs to, such as `train` |

Several answers, or several pieces of evidence, are a list in JSON; in a cell, `|` stands between them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from ..errors import DatasetError, EvaluateError
from ..types import Dataset, Question, Relevant
from .lines import Row, json_rows, table_rows

_log = logging.getLogger(__name__)

_NAMES = ("question", "query", "text", "answer", "answers", "evidence", "answerable", "id", "_id", "split")
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})


def read_jsonl(file: Path) -> Dataset:
    """Read a file of JSON lines.

    Raises:
        DatasetError: it is missing or malformed.
    """
    return _dataset(file, (_question(row, is_table=False) for row in json_rows(file)))


def read_table(file: Path) -> Dataset:
    """Read a CSV or TSV file, as spreadsheets save it.

    Raises:
        DatasetError: it is missing or malformed.
    """
    return _dataset(file, (_question(row, is_table=True) for row in table_rows(file) if any(row.fields.values())))


def _dataset(file: Path, questions: Iterator[tuple[Row, Question]]) -> Dataset:
    found: dict[str, Question] = {}
    for row, question in questions:
        if not found:
            _tell_misspelt(file, row.fields)
        if question.id in found:
            raise row.error(f"repeats the id {question.id!r}")
        found[question.id] = question
    if not found:
        raise DatasetError(file, "has no questions")
    return Dataset(file.stem, tuple(found.values()))


def _tell_misspelt(file: Path, names: Iterable[str]) -> None:
    """Warn of names that nothing is read from and that are spelt nearly like one that is; others are the user's own."""
    for name in names:
        close = [] if name in _NAMES else get_close_matches(name.lower(), _NAMES, n=1, cutoff=0.8)
        if close:
            _log.warning("%s: nothing is read from %r; did you mean %r?", file, name, close[0])


def _question(row: Row, *, is_table: bool) -> tuple[Row, Question]:
    def values(*names: str) -> list[str]:
        given = row.texts(*names)
        if not is_table and len(given) == 1 and "|" in given[0]:
            _log.warning("%s:%d: several values are a list in JSON; %r is one", row.file, row.line, given[0])
        parts = (part for each in given for part in each.split("|")) if is_table else iter(given)
        return [part.strip() for part in parts if part.strip()]

    return row, Question(
        id=row.text("id", "_id") if row.first("id", "_id") is not None else str(row.line),
        text=row.text("question", "query", "text"),
        answers=tuple(values("answers", "answer")),
        relevant=tuple(_relevant(row, each) for each in values("evidence")),
        answerable=_is_answerable(row),
        split="" if row.first("split") is None else row.text("split"),
    )


def _relevant(row: Row, written: str) -> Relevant:
    try:
        return Relevant.read(written)
    except EvaluateError as error:
        raise row.error(str(error)) from error


def _is_answerable(row: Row) -> bool:
    value = row.first("answerable")
    word = "yes" if value is None else str(value).strip().lower()
    if word not in _YES | _NO:
        raise row.error(f"'answerable' should be yes or no, not {value!r}")
    return word in _YES

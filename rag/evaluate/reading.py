"""From a path to a dataset, whatever form it is in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..._paths import expand_user
from .errors import DatasetError
from .formats import beir, clapnq, lines, musique, rows
from .types import Dataset

MUSIQUE = "questions.jsonl"


def read_dataset(path: str | Path, *, split: str = "", limit: int | None = None, seed: int = 0) -> Dataset:
    """Read questions, and the documents where the dataset has them.

    ```python
    from pathlib import Path
    from ragloom.rag.evaluate import read_dataset

    Path("questions.jsonl").write_text('{"question": "How long is leave?", "answer": "sixteen weeks"}')
    print(read_dataset("questions.jsonl").questions[0].answers)  # -> ('sixteen weeks',)
    ```

    Args:
        path: a CSV, TSV or JSONL file of questions; a folder in BEIR's form; a folder of MuSiQue or of CLAP NQ.
        split: read this part alone; empty: all.
        limit: at most so many questions, chosen at random but always the same.
        seed: which ones.

    Raises:
        DatasetError: a file is missing or malformed; the message has its line.
        EvaluateError: there is no such split, or `limit` is below 1.
    """
    path = expand_user(path)
    read = _reader(path)
    dataset = read(path)
    if split:
        dataset = dataset.split(split)
    return dataset if limit is None else dataset.sample(limit, seed=seed)


def _reader(path: Path) -> Callable[[Path], Dataset]:
    if not path.exists():
        raise DatasetError(path, "is not there; name a CSV or JSONL file of questions, or a folder in BEIR's form")
    if path.is_file():
        if path.suffix.lower() in (".csv", ".tsv"):
            return rows.read_table
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return musique.read_musique if _has_paragraphs(path) else rows.read_jsonl
        raise DatasetError(path, "should be a .csv, .tsv or .jsonl file; a spreadsheet can be saved as CSV")
    if (path / beir.CORPUS).is_file():
        return beir.read_beir
    if (path / clapnq.ANSWERABLE).is_file():
        return clapnq.read_clapnq
    if (path / MUSIQUE).is_file():
        return lambda folder: read_dataset(folder / MUSIQUE)
    raise DatasetError(path, f"has neither {beir.CORPUS} (BEIR) nor {MUSIQUE} (MuSiQue) nor {clapnq.ANSWERABLE}")


def _has_paragraphs(file: Path) -> bool:
    first = next(lines.json_rows(file), None)
    return first is not None and "paragraphs" in first.fields

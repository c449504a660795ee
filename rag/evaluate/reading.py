"""From a path to a dataset, whatever form it is in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..._paths import expand_user
from .errors import DatasetError
from .formats import beir, clapnq, lines, locomo, musique, rows, timeqa
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
        path: a CSV, TSV or JSONL file of questions; a folder in BEIR's form; a folder of MuSiQue, CLAP NQ, TimeQA or
            LoCoMo; one of their files, such as `timeqa/human_train.hard.jsonl.gz`.
        split: read this part alone; empty: all.
        limit: at most so many questions, chosen at random but always the same.
        seed: which ones.

    Raises:
        DatasetError: a file is missing or malformed; the message has its line.
        EvaluateError: there is no such split, or `limit` is below 1.
    """
    path = expand_user(path)
    dataset = _reader(path)(path)
    if not dataset.questions:
        raise DatasetError(path, "has no questions; of a dataset in BEIR's form only those count that are judged")
    if split:
        dataset = dataset.split(split)
    return dataset if limit is None else dataset.sample(limit, seed=seed)


def _reader(path: Path) -> Callable[[Path], Dataset]:
    if not path.exists():
        raise DatasetError(path, "is not there; name a CSV or JSONL file of questions, or a folder in BEIR's form")
    return _folder_reader(path) if path.is_dir() else _file_reader(path)


def _file_reader(file: Path) -> Callable[[Path], Dataset]:
    if file.match(locomo.FILES):
        return locomo.read_locomo
    if file.name in timeqa.LEVELS:
        return timeqa.read_timeqa
    if file.suffix.lower() in (".csv", ".tsv"):
        return rows.read_table
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        return musique.read_musique if _has_paragraphs(file) else rows.read_jsonl
    raise DatasetError(file, "should be a .csv, .tsv or .jsonl file; a spreadsheet can be saved as CSV")


def _folder_reader(folder: Path) -> Callable[[Path], Dataset]:
    if (folder / beir.CORPUS).is_file():
        return beir.read_beir
    if (folder / clapnq.ANSWERABLE).is_file():
        return clapnq.read_clapnq
    if levels := [folder / name for name in timeqa.LEVELS if (folder / name).is_file()]:
        return lambda _: timeqa.read_timeqa(*levels)
    if conversations := sorted(folder.glob(locomo.FILES)):
        return lambda _: locomo.read_locomo(conversations[0])
    if (folder / MUSIQUE).is_file():
        return lambda _: read_dataset(folder / MUSIQUE)
    raise DatasetError(
        folder, "has none of corpus.jsonl (BEIR), questions.jsonl (MuSiQue), or the files of CLAP NQ, TimeQA, LoCoMo"
    )


def _has_paragraphs(file: Path) -> bool:
    first = next(lines.json_rows(file), None)
    return first is not None and "paragraphs" in first.fields

"""Queries with documents and judgments: what the best heads of a model are found on."""

from __future__ import annotations

import csv
import json
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...stores.lexical import Tantivy, bm25
from .errors import RerankError
from .types import Passage

_DOCUMENTS = ("documents", "paragraphs", "passages")
_RELEVANT = ("relevant", "relevance", "supporting")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query, the passages to rank, and how relevant each is: 0 for not at all, as which a judgment below 0 counts."""

    query: str
    passages: tuple[Passage, ...]
    relevance: tuple[int, ...]


def read_labelled(
    path: Path, *, split: str = "train", documents: int = 20, queries: int | None = None
) -> list[Labelled]:
    """Read queries that have something relevant among their documents.

    Args:
        path: a folder in BEIR's form (`corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`; also `queries.SPLIT.jsonl`
            and `qrels.SPLIT.tsv`), where BM25 finds the documents; or a file of JSON lines with `query` or `question`,
            and `documents` or `paragraphs`, each with `text`, `title` if it has one, and `relevant` or `supporting`.
        split: which part of a folder to read.
        documents: how many BM25 finds.
        queries: at most so many, chosen at random but always the same; None: all.

    Raises:
        RerankError: there is no such data, or it is not in either form.
    """
    try:
        found = list(_of_folder(path, split, documents, queries) if path.is_dir() else _of_file(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RerankError(f"cannot read {path}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RerankError(f"{path} is not labelled data as `ragloom heads find` knows it: {error!r}") from error
    usable = [each for each in map(_without_empty, found) if any(each.relevance)]
    if not usable:
        raise RerankError(f"{path} has no query with a relevant document")
    return _some(usable, queries)


def _without_empty(labelled: Labelled) -> Labelled:
    """The same without documents that say nothing: no attention goes to them."""
    pairs = zip(labelled.passages, labelled.relevance, strict=True)
    said = [(passage, relevance) for passage, relevance in pairs if str(passage).strip()]
    return Labelled(labelled.query, tuple(passage for passage, _ in said), tuple(relevance for _, relevance in said))


def _of_file(path: Path) -> Iterator[Labelled]:
    for number, row in enumerate(_rows(path), start=1):
        for names in (("query", "question"), _DOCUMENTS):
            if not row.keys() & set(names):
                raise RerankError(f"{path}: query {number} has no {' or '.join(map(repr, names))}")
        query = row["query"] if "query" in row else row["question"]
        documents = row[next((name for name in _DOCUMENTS if name in row), _DOCUMENTS[0])]
        passages = tuple(Passage(str(each.get("title") or ""), each["text"]) for each in documents)
        judged = (int(next((each[name] for name in _RELEVANT if name in each), 0)) for each in documents)
        relevance = tuple(max(each, 0) for each in judged)
        yield Labelled(query, passages, relevance)


def _of_folder(folder: Path, split: str, documents: int, queries: int | None) -> Iterator[Labelled]:
    passages = {row["_id"]: Passage(row.get("title") or "", row["text"]) for row in _rows(folder / "corpus.jsonl")}
    judged: dict[str, dict[str, int]] = {}
    with _either(folder / "qrels" / f"{split}.tsv", folder / f"qrels.{split}.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judged.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    rows = _rows(_either(folder / f"queries.{split}.jsonl", folder / "queries.jsonl"))
    asked = _some([(row["_id"], row["text"]) for row in rows if row["_id"] in judged], queries)
    ids = list(passages)
    for (name, query), found in zip(asked, _search(passages, [query for _, query in asked], documents), strict=True):
        relevance = tuple(max(judged[name].get(ids[at], 0), 0) for at in found)
        yield Labelled(query, tuple(passages[ids[at]] for at in found), relevance)


def _search(passages: Mapping[str, Passage], queries: Sequence[str], k: int) -> Iterator[list[int]]:
    """The places of the best passages for each query, by BM25."""
    engine = Tantivy("en")
    with tempfile.TemporaryDirectory(prefix="ragloom-heads-") as folder:
        index = engine.open(Path(folder))
        no_vector = np.zeros(0, np.float32)
        engine.apply(index, (), [[(at, str(passage), no_vector) for at, passage in enumerate(passages.values())]])
        for query in queries:
            yield [at for at, _ in bm25(engine, index, query, k)]
        engine.release(index)


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:  # `str.splitlines` would cut within JSON's texts, too
        return [json.loads(line) for line in lines if line.strip()]


def _either(first: Path, second: Path) -> Path:
    return first if first.is_file() else second


def _some(of: Sequence[Any], count: int | None) -> list[Any]:
    return list(of) if count is None or count >= len(of) else random.Random(0).sample(list(of), count)

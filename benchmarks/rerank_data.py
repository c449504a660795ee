"""What `rerank.py` ranks: queries, each with the documents that a first stage found, best first.

- SciFact: hybrid search over the whole corpus; of what is found, rerankers read the title and the first `WORDS` words,
  so that 20 passages are a little over 3,000 tokens. In one set of `TIMED` queries they read all of it
- MuSiQue: hybrid search among the paragraphs of the question itself; 31-100 are for reporting, 1-30 for choosing

What the first stage found is stored, so that every run ranks the same.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import data
from langchain_core.documents import Document
from ragloom import Corpus
from ragloom.rag.rerank.labelled import read_labelled
from ragloom.stores.types import Chunk

TOP, MANY = 20, 100
WORDS = 90
TIMED = 30
"""Queries of each set whose time is taken, and all that there are of the set with 100 documents a query."""

CHOOSING = 100
"""Queries of SciFact's train split that settings are chosen on."""

HEADS_FOUND_ON: Any = {"split": "train", "documents": 10, "queries": 100}
"""How the order of heads was found that comes with ragloom; nothing else is chosen on these queries."""

_TUNED_ON = 30  # of the questions of MuSiQue
_SEED = 0

Task = Literal["question", "search"]
Candidates = dict[str, list[str]]
Search = Callable[[], Candidates]


@dataclass(frozen=True)
class Asked:
    """A query, the documents of the first stage, and which ones are relevant for it: id -> grade."""

    id: str
    query: str
    documents: tuple[Document, ...]
    relevant: Mapping[str, int]

    @property
    def ids(self) -> list[str]:
        return [str(document.id) for document in self.documents]


@dataclass(frozen=True)
class QuerySet:
    """Queries in a random order that is always the same, so that the first ones are a sample.

    Attributes:
        name: of the set.
        task: what rerankers are asked for.
        asked: the queries.
        whole: whether all of each document is read, though most have more than `WORDS` words.
    """

    name: str
    task: Task
    asked: tuple[Asked, ...]
    whole: bool = False

    @property
    def long(self) -> bool:
        return any(len(each.documents) > TOP for each in self.asked)

    def shortened(self, queries: int | None, documents: int | None) -> QuerySet:
        """The first queries with their first documents, under another name, so that no result is taken for another."""
        asked = tuple(replace(each, documents=each.documents[:documents]) for each in self.asked[:queries])
        name = self.name if documents is None else f"{self.name}, first {documents}"
        return replace(self, name=name, asked=asked)


def query_sets(folder: Path, split: str, *, index: Path, store: Path) -> list[QuerySet]:
    """All sets of a split, `train` for choosing and `test` for reporting."""
    scifact = partial(_scifact, folder, split, index=index, store=store)
    sets = [scifact(TOP, WORDS), musique(folder, split, store)]
    return [*sets, scifact(TOP, None), scifact(MANY, WORDS)] if split == "test" else sets


def _scifact(folder: Path, split: str, k: int, words: int | None, *, index: Path, store: Path) -> QuerySet:
    texts, queries, qrels = data.scifact(folder, split)
    order = _shuffled(queries)
    if split == "train":
        seen = {each.query for each in read_labelled(folder / "scifact", **HEADS_FOUND_ON)}
        order = [key for key in order if queries[key] not in seen][:CHOOSING]
    if k == MANY or words is None:
        order = order[:TIMED]

    def search() -> Candidates:
        corpus = Corpus(index)
        if len(corpus) != len(texts):
            corpus.add([Chunk.from_text(text, id=key) for key, text in texts.items()])
        return {key: [str(hit.document.id) for hit in corpus.search(queries[key], k=k)] for key in order}

    found = _stored(store / f"candidates-scifact-{split}-{k}-{len(order)}.json", search)
    documents = {key: _document(key, *_beginning(text, words)) for key, text in texts.items()}
    asked = (Asked(key, queries[key], tuple(documents[each] for each in found[key]), qrels[key]) for key in order)
    read = "whole abstracts" if words is None else f"{words} words"
    return QuerySet(f"scifact {k} {split}, {read}", "search", tuple(asked), whole=words is None)


def _beginning(text: str, words: int | None) -> tuple[str, str]:
    """Title, and so many words of the abstract; None: all of them."""
    title, _, abstract = text.partition("\n")
    return title, " ".join(abstract.split()[:words])


def musique(folder: Path, split: str, store: Path) -> QuerySet:
    """Questions 1-30 as `train`, the others as `test`, each with its own paragraphs in the order of hybrid search."""
    rows = data.jsonl(folder / "musique" / "questions.jsonl")
    chosen = {row["_id"]: row for row in (rows[:_TUNED_ON] if split == "train" else rows[_TUNED_ON:])}
    documents: dict[str, dict[str, Document]] = {}
    relevant: dict[str, dict[str, int]] = {}
    for key, row in chosen.items():
        ids = [f"{key}/{at}" for at in range(len(row["paragraphs"]))]
        paragraphs = list(zip(ids, row["paragraphs"], strict=True))
        documents[key] = {at: _document(at, each["title"], each["text"]) for at, each in paragraphs}
        relevant[key] = {at: 1 for at, each in paragraphs if each["supporting"]}

    def search() -> Candidates:
        with tempfile.TemporaryDirectory() as place:
            corpus = Corpus(place)
            corpus.add(
                Chunk.from_text(f"{each.metadata['title']}\n{each.page_content}", id=at, metadata={"question": key})
                for key, own in documents.items()
                for at, each in own.items()
            )
            return {
                key: [str(hit.document.id) for hit in corpus.search(row["question"], k=TOP, where={"question": key})]
                for key, row in chosen.items()
            }

    found = _stored(store / f"candidates-musique-{split}-{TOP}.json", search)
    asked = tuple(
        Asked(key, chosen[key]["question"], tuple(documents[key][each] for each in found[key]), relevant[key])
        for key in _shuffled(chosen)
    )
    assert all(len(each.documents) == len(documents[each.id]) for each in asked)
    return QuerySet(f"musique {TOP} {split}", "question", asked)


def _document(key: str, title: str, text: str) -> Document:
    return Document(text, id=key, metadata={"title": title})


def _shuffled(queries: Mapping[str, object]) -> list[str]:
    order = sorted(queries)
    random.Random(_SEED).shuffle(order)
    return order


def _stored(path: Path, search: Search) -> Candidates:
    if not path.exists():
        found = search()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(path)
    stored: Candidates = json.loads(path.read_text(encoding="utf-8"))
    return stored

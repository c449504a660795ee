"""A corpus that is not large finds the nearest vectors exactly, whatever else is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import HashingEmbedder
from numpy.typing import NDArray
from ragloom.stores import Corpus, exact
from ragloom.stores.errors import CorpusCorruptError
from ragloom.stores.exact import Vectors


class CrowdingEmbedder(HashingEmbedder):
    """All rows of a table are much the same to it."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        crowd, own = self._vector("order"), super().encode(texts)
        rows = [crowd + 0.3 * row if text.startswith("Order") else row for text, row in zip(texts, own, strict=True)]
        return np.stack([row / np.linalg.norm(row) for row in rows])


def unit(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def test_sentences_beside_a_table_are_found(tmp_path: Path) -> None:
    things = [f"{thing} {number}" for number, thing in enumerate(["key", "map", "bell"] * 5)]
    sentences = [f"The {thing} is kept here." for thing in things]
    with Corpus(tmp_path, embedder=CrowdingEmbedder(64)) as corpus:
        corpus.add([*(f"Order {number} is sent to {number * 7 % 100}." for number in range(3000)), *sentences])
        for thing in things:
            question = f"Where might {thing} be?"
            best = max(corpus.embedder.encode(sentences) @ corpus.embedder.encode_query(question))
            assert corpus.search(question, mode="dense", k=1)[0].score >= best - 1e-6


@pytest.mark.parametrize("among", [None, {3, 5, 8, 13, 21}, set()])
@pytest.mark.parametrize("k", [1, 4, 1000])
def test_the_nearest_are_those_of_all_and_of_equal_ones_the_older_first(k: int, among: set[int] | None) -> None:
    rows = unit(40, 8)
    rows[20:] = rows[:20]
    vectors, wanted = Vectors(np.arange(40), rows), unit(8, seed=1)
    cosines = rows @ wanted
    order = sorted((key for key in range(40) if among is None or key in among), key=lambda key: (-cosines[key], key))
    found = vectors.nearest(wanted * 7, k, among)
    assert [key for key, _ in found] == order[:k]
    assert [score for _, score in found] == pytest.approx(cosines[order[:k]].tolist(), abs=1e-6)


def test_it_follows_what_others_write(tmp_path: Path) -> None:
    def found(corpus: Corpus, text: str) -> str | None:
        hits = corpus.search(text, mode="dense", k=1)
        return hits[0].document.page_content if hits and hits[0].score > 0.99 else None

    with Corpus(tmp_path, embedder=HashingEmbedder()) as reader, Corpus(tmp_path, embedder=HashingEmbedder()) as writer:
        assert found(reader, "Toad drives.") is None
        ids = writer.add(["Toad drives.", "Mole digs."]).added
        assert found(reader, "Toad drives.") == "Toad drives."
        writer.add(["Rat rows."])
        assert [found(reader, text) for text in ("Rat rows.", "Mole digs.")] == ["Rat rows.", "Mole digs."]
        writer.delete([ids[0]])
        writer.add(["Badger sleeps."])
        assert [found(reader, text) for text in ("Toad drives.", "Badger sleeps.")] == [None, "Badger sleeps."]


def test_a_larger_corpus_is_searched_by_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST", 3)
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(["Toad drives.", "Mole digs.", "Rat rows."])
        assert corpus._ranker._exact.at(corpus._database.state()) is not None
        corpus.add(["Badger sleeps."])
        assert corpus._ranker._exact.at(corpus._database.state()) is None
        assert corpus.search("Badger sleeps.", mode="dense", k=1)[0].document.page_content == "Badger sleeps."
        corpus.delete([str(corpus.search("Mole digs.", mode="dense", k=1)[0].document.id)])
        assert corpus._ranker._exact.at(corpus._database.state()) is not None
        assert corpus.search("Rat rows.", mode="dense", k=1)[0].document.page_content == "Rat rows."


def test_chroma_is_for_writers_and_its_damage_is_none_of_a_reader(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(["Toad drives.", "Mole digs."])
    (tmp_path / "dense.json").write_bytes(b"garbage")
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        assert corpus.search("Toad drives.", k=1)[0].document.page_content == "Toad drives."
        assert not corpus._indexes.dense.is_open
        with pytest.raises(CorpusCorruptError, match=r"dense\.json"):
            corpus.inconsistencies()
        corpus.repair()
        assert corpus.inconsistencies() == ()

"""A corpus embedded by LangChain's embeddings cannot load them by name, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.stores import InMemoryByteStore
from ragloom.stores import Corpus
from ragloom.stores.errors import EmbedderError, EmbedderMismatchError


def test_reopening_without_the_embedder_names_the_one_to_give(tmp_path: Path) -> None:
    with Corpus(tmp_path / "index", embedder=DeterministicFakeEmbedding(size=8)) as corpus:
        corpus.add(["Toad steals a motor-car."])
    with Corpus(tmp_path / "index") as corpus:
        assert len(corpus.search("motor-car", mode="lexical")) == 1
        with pytest.raises(EmbedderError, match=r"embedded by DeterministicFakeEmbedding.*embedder="):
            corpus.search("motor-car")
    with Corpus(tmp_path / "index", embedder=DeterministicFakeEmbedding(size=8)) as corpus:
        assert len(corpus.search("motor-car")) == 1


class Named(DeterministicFakeEmbedding):
    """One that says which model it has, as some of LangChain's do."""

    model_id: str


def test_another_model_behind_a_cache_is_refused(tmp_path: Path) -> None:
    def cached(model: str) -> CacheBackedEmbeddings:
        return CacheBackedEmbeddings.from_bytes_store(Named(size=8, model_id=model), InMemoryByteStore())

    with Corpus(tmp_path / "index", embedder=cached("small")) as corpus:
        corpus.add(["Toad steals a motor-car."])
    with Corpus(tmp_path / "index", embedder=cached("small")) as corpus:
        assert len(corpus.search("motor-car")) == 1
    with (
        pytest.raises(EmbedderMismatchError, match="large"),
        Corpus(tmp_path / "index", embedder=cached("large")) as corpus,
    ):
        corpus.search("motor-car")

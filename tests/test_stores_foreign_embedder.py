"""A corpus embedded by LangChain's embeddings cannot load them by name, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from ragloom.stores import Corpus
from ragloom.stores.errors import EmbedderError


def test_reopening_without_the_embedder_names_the_one_to_give(tmp_path: Path) -> None:
    with Corpus(tmp_path / "index", embedder=DeterministicFakeEmbedding(size=8)) as corpus:
        corpus.add(["Toad steals a motor-car."])
    with Corpus(tmp_path / "index") as corpus:
        assert len(corpus.search("motor-car", mode="lexical")) == 1
        with pytest.raises(EmbedderError, match=r"embedded by DeterministicFakeEmbedding.*embedder="):
            corpus.search("motor-car")
    with Corpus(tmp_path / "index", embedder=DeterministicFakeEmbedding(size=8)) as corpus:
        assert len(corpus.search("motor-car")) == 1

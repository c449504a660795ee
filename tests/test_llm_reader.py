"""What a reader reads: which heads and layers, documents together or apart, from a cache or not."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ragloom.rag.llm.attention import reader as module
from ragloom.rag.llm.attention.document_kv import DocumentKV
from ragloom.rag.llm.attention.flash import Attention, Head
from ragloom.rag.llm.attention.reader import LazyReader, Reader
from ragloom.rag.llm.attention.reading import MAX_TAILS, Reading
from ragloom.rag.llm.digest import file_digest
from ragloom.rag.llm.errors import (
    AttentionUnavailable,
    Cancelled,
    ContextOverflow,
    DeadlineExceeded,
    EngineClosed,
    ModelError,
)
from ragloom.rag.llm.models import ModelFile, checked_file, find_model
from ragloom.rag.llm.weights import Weights
from tiny_models import CONTEXT, SHAPES, VOCABULARY, write_tiny

LENGTHS = (30, 12, 45, 30)


def tokens(count: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).integers(3, VOCABULARY, count).tolist()


DOCUMENTS = [tokens(length, seed) for seed, length in enumerate(LENGTHS)]
TAILS = [tokens(9, 10), tokens(4, 11)]
PREAMBLE = tokens(6, 12)
WHOLE = len(PREAMBLE) + sum(LENGTHS) + sum(map(len, TAILS))


@pytest.fixture(params=list(SHAPES))
def reader(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader of each architecture; Gemma's window is shorter than most documents."""
    monkeypatch.setenv("RAGLOOM_CACHE", str(tmp_path / "cache"))
    weights = Weights(write_tiny(tmp_path, request.param))
    reader = Reader(weights, n_ctx=400, threads=1)
    yield reader
    reader.close()
    weights.close()


def read(reader: Reader, *parts: Any, **options: Any) -> Attention:
    return reader.read(Reading(*parts, **options))


def assert_alike(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal but for rounding: llama.cpp adds values up in float16, in the order of the cells."""
    assert found.shape == expected.shape
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999


def test_the_result_says_which_head_and_which_token(reader: Reader) -> None:
    found = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE)
    assert found.heads == reader.heads
    assert found.weights.shape == (2, len(reader.heads), sum(LENGTHS))
    assert found.weights.dtype == np.float32
    assert not found.weights.flags.writeable
    assert found.documents == (slice(0, 30), slice(30, 42), slice(42, 87), slice(87, 117))
    assert (found.evaluated, found.reused) == (WHOLE, 0)
    assert (found.sums().sum(axis=-1) <= 1).all()


def test_tails_do_not_see_each_other(reader: Reader) -> None:
    both = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE)
    alone = read(reader, DOCUMENTS, TAILS[1:], preamble=PREAMBLE)
    assert_alike(both.weights[1], alone.weights[0])


@pytest.mark.parametrize("own", [(9, 4), (30, 12), (110, 1), (0, 0), (0, 5)])
@pytest.mark.parametrize("shared", [12, 150])
def test_what_tails_begin_with_is_evaluated_once(reader: Reader, shared: int, own: tuple[int, int]) -> None:
    beginning = tokens(shared, 13)
    tails = [beginning + tokens(length, seed) for seed, length in enumerate(own)]
    documents = DOCUMENTS[1:2]
    both = read(reader, documents, tails)
    assert both.weights.shape[0] == 2
    once = shared if all(own) else shared - 1  # each has a token of its own
    assert both.evaluated == 12 + sum(map(len, tails)) - once
    for at, tail in enumerate(tails):
        alone = read(reader, documents, [tail]).weights[0]
        assert_alike(both.weights[at], alone)
        np.testing.assert_allclose(both.weights[at].sum(axis=-1), alone.sum(axis=-1), rtol=0.01)


def test_tails_longer_than_a_batch_are_averaged_over_all_their_tokens(reader: Reader) -> None:
    long = [tokens(150, 1), tokens(120, 2)]
    both = read(reader, DOCUMENTS[:2], long)
    for at, tail in enumerate(long):
        assert_alike(both.weights[at], read(reader, DOCUMENTS[:2], [tail]).weights[0])


def test_chosen_heads_are_the_rows_of_all(reader: Reader) -> None:
    every = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True)
    heads = [Head(1, 3), Head(0, 2), Head(1, 0)]
    some = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True, heads=heads)
    assert some.heads == tuple(heads)
    np.testing.assert_allclose(some.weights, every.weights[:, [every.heads.index(head) for head in heads]], atol=1e-6)


@pytest.mark.parametrize("independent", [False, True])
def test_the_first_layers_are_those_of_the_whole_pass(reader: Reader, independent: bool) -> None:
    assert reader.stops_early
    every = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=independent)
    first = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=independent, layers=2)
    assert first.heads == every.heads[: len(first.heads)]
    assert {head.layer for head in first.heads} == {0, 1}
    np.testing.assert_allclose(first.weights, every.weights[:, : len(first.heads)], atol=1e-6)


def test_where_a_pass_cannot_be_stopped_all_of_it_is_evaluated(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(reader, DOCUMENTS, TAILS, layers=1)
    object.__setattr__(reader._layout, "stops", False)
    whole = read(reader, DOCUMENTS, TAILS, layers=1)
    assert whole.heads == first.heads
    np.testing.assert_allclose(whole.weights, first.weights, atol=1e-6)


def test_independent_documents_have_no_order(reader: Reader) -> None:
    order = [2, 0, 3, 1]
    straight = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True)
    shuffled = read(reader, [DOCUMENTS[at] for at in order], TAILS, preamble=PREAMBLE, independent=True)
    for place, at in enumerate(order):
        assert_alike(shuffled.weights[..., shuffled.documents[place]], straight.weights[..., straight.documents[at]])


def test_one_document_is_the_same_together_and_apart(reader: Reader) -> None:
    together = read(reader, DOCUMENTS[2:3], TAILS, preamble=PREAMBLE)
    apart = read(reader, DOCUMENTS[2:3], TAILS, preamble=PREAMBLE, independent=True)
    assert_alike(together.weights, apart.weights)


def test_a_document_given_twice_is_evaluated_once_and_seen_twice(reader: Reader) -> None:
    found = read(reader, [DOCUMENTS[0], DOCUMENTS[0]], TAILS, independent=True)
    assert found.evaluated == 30 + 13
    assert_alike(found.weights[..., found.documents[0]], found.weights[..., found.documents[1]])


@pytest.mark.parametrize("layers", [None, 2])
def test_cached_documents_are_read_as_if_evaluated_now(reader: Reader, tmp_path: Path, layers: int | None) -> None:
    plain = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True, layers=layers)
    for cache in (DocumentKV(), DocumentKV(tmp_path / "kv", memory=0), DocumentKV(tmp_path / "kv")):
        first = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True, layers=layers, cache=cache)
        again = read(reader, DOCUMENTS[::-1], TAILS, preamble=PREAMBLE, independent=True, layers=layers, cache=cache)
        assert (again.evaluated, again.reused) == (13, sum(LENGTHS) + len(PREAMBLE))
        back = np.concatenate([again.weights[..., part] for part in again.documents[::-1]], axis=-1)
        np.testing.assert_array_equal(first.weights, plain.weights)
        assert_alike(back, plain.weights)


def test_kv_of_a_shallow_pass_another_preamble_or_model_is_not_used(reader: Reader) -> None:
    cache = DocumentKV()
    read(reader, DOCUMENTS[:1], TAILS, preamble=PREAMBLE, independent=True, layers=1, cache=cache)
    deep = read(reader, DOCUMENTS[:1], TAILS, preamble=PREAMBLE, independent=True, cache=cache)
    assert deep.reused == 0
    assert read(reader, DOCUMENTS[:1], TAILS, preamble=PREAMBLE[1:], independent=True, cache=cache).reused == 0
    assert cache.stats().entries == 3


def test_layers_that_were_not_evaluated_are_not_kept(tmp_path: Path) -> None:
    weights = Weights(write_tiny(tmp_path, "llama"))
    reader = Reader(weights, n_ctx=400, threads=1)
    sizes = []
    for layers in (1, 2, 3):
        cache = DocumentKV()
        read(reader, DOCUMENTS, TAILS, independent=True, layers=layers, cache=cache)
        sizes.append(cache.stats().bytes)
    layer = sum(LENGTHS) * 2 * 2 * SHAPES["llama"].groups * SHAPES["llama"].head_size  # keys and values, two bytes each
    assert np.diff(sizes) == pytest.approx(layer, abs=50)
    reader.close()
    weights.close()


def test_a_damaged_entry_is_computed_again(reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = DocumentKV(tmp_path / "kv", memory=0)
    first = read(reader, DOCUMENTS, TAILS, independent=True, cache=cache)
    one, other, *_ = sorted((tmp_path / "kv").glob("*.kv"))
    one.write_bytes(one.read_bytes()[:-1])
    other.write_bytes(other.read_bytes()[:-1] + b"?")
    caplog.set_level(logging.WARNING)
    again = read(reader, DOCUMENTS, TAILS, independent=True, cache=cache)
    np.testing.assert_array_equal(again.weights, first.weights)
    assert again.evaluated > 13
    assert caplog.text.count("is computed again") == 2
    assert read(reader, DOCUMENTS, TAILS, independent=True, cache=cache).evaluated == 13


def test_an_entry_that_llama_cpp_refuses_is_computed_again(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    cache = DocumentKV()
    first = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True, cache=cache)
    key = next(iter(cache._memory))
    cache.put(key, [*cache._memory[key][:-1], cache._memory[key][-1][:-40]])
    again = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True, cache=cache)
    assert_alike(again.weights, first.weights)
    assert again.evaluated + again.reused == WHOLE  # no token counts twice
    assert again.evaluated > sum(map(len, TAILS))
    assert "llama.cpp does not take back the KV of a document" in caplog.text
    whole = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE, independent=True, cache=cache)
    np.testing.assert_array_equal(whole.weights, first.weights)


def test_after_an_error_the_next_read_is_right(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE)
    with monkeypatch.context() as patched:
        patched.setattr("ragloom.rag.llm.attention.tails.FlashAttention", None)
        with pytest.raises(TypeError):
            read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE)
    np.testing.assert_array_equal(read(reader, DOCUMENTS, TAILS, preamble=PREAMBLE).weights, first.weights)


@pytest.mark.parametrize("independent", [False, True])
def test_an_interrupted_read_ends_and_the_next_one_is_right(reader: Reader, independent: bool) -> None:
    reading = Reading(DOCUMENTS, TAILS, preamble=PREAMBLE, independent=independent)
    whole = reader.read(reading)
    for layers in (1, reader.layers + 1):  # among the documents', and among the tails' where these are one batch
        asked = iter(range(layers))

        def interrupt(asked: Iterator[int] = asked) -> None:
            if next(asked, None) is None:
                raise TimeoutError

        with pytest.raises(TimeoutError):
            reader.read(reading, interrupt)
        np.testing.assert_array_equal(reader.read(reading).weights, whole.weights)


def lazy_reader(weights: Weights, *, n_ctx: int) -> LazyReader:
    return LazyReader(checked_file(weights.path), weights, n_ctx=n_ctx, threads=1)


@pytest.mark.model
def test_a_damaged_form_for_reading_leaves_the_weights_that_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = find_model("embedded")
    (damaged := tmp_path / "BF16.gguf").write_bytes(b"GGUF, and no more")
    monkeypatch.setattr(module, "for_reading", lambda _: ModelFile("BF16", damaged))
    weights = Weights(model.path)
    lazy = LazyReader(model, weights, n_ctx=400, threads=1)
    assert lazy.read(Reading(DOCUMENTS, TAILS)).evaluated == sum(LENGTHS) + sum(map(len, TAILS))
    assert "reading attention more slowly" in caplog.text
    lazy.close()
    weights.close()


def test_a_reader_that_is_interrupted_while_it_is_made_is_made_again(tmp_path: Path) -> None:
    """What interrupts is an error of ragloom's, too, and says nothing about the model."""
    weights = Weights(write_tiny(tmp_path, "llama"))
    lazy = lazy_reader(weights, n_ctx=400)
    for error in (DeadlineExceeded(1), EngineClosed("closed"), Cancelled()):

        def interrupt(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)):
            lazy.check(interrupt)
    lazy.check()
    lazy.close()
    weights.close()


@pytest.mark.parametrize("damage", [b"\xff" * 64, b"x" * 64, b"", "folder"])
def test_a_damaged_note_of_the_models_hash_is_written_anew(tmp_path: Path, damage: bytes | str) -> None:
    model = write_tiny(tmp_path, "llama")
    digest = file_digest(model, tmp_path / "notes")
    (note,) = (tmp_path / "notes").iterdir()
    if isinstance(damage, bytes):
        note.write_bytes(damage)
    else:
        note.unlink()
        note.mkdir()
    assert file_digest(model, tmp_path / "notes") == digest == hashlib.sha256(model.read_bytes()).hexdigest()
    assert note.is_dir() or note.read_text() == digest


def test_a_model_that_is_gone_is_an_error_of_ragloom(reader: Reader) -> None:
    reader._weights.path.unlink()
    with pytest.raises(ModelError, match="by which documents' KV is kept"):
        read(reader, DOCUMENTS, TAILS, independent=True, cache=DocumentKV())


def test_what_the_model_lacks_is_said_again_and_a_lack_of_memory_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, refused = Weights(write_tiny(tmp_path, "llama")), Weights(write_tiny(tmp_path, "mpt"))
    no_attention = lazy_reader(refused, n_ctx=64)
    with pytest.raises(AttentionUnavailable, match="ALiBi") as first:
        no_attention.check()
    with pytest.raises(AttentionUnavailable, match="ALiBi") as again:
        no_attention.check()
    assert again.value is not first.value  # an error that is raised twice holds on to both callers
    lazy = lazy_reader(weights, n_ctx=400)
    with monkeypatch.context() as patched:
        patched.setattr("ragloom.rag.llm.memory._WORKSPACE", 1 << 62)
        with pytest.raises(AttentionUnavailable, match="of memory, which are not there"):
            lazy.check()
    lazy.check()
    assert lazy.read(Reading(DOCUMENTS, TAILS)).evaluated == sum(LENGTHS) + sum(map(len, TAILS))
    for each in (no_attention, lazy, weights, refused):
        each.close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"documents": []}, "there is no document to read"),
        ({"documents": [[5], []]}, "document 1 is empty; leave it out"),
        ({"tails": []}, "there is no tail to read"),
        ({"tails": [[]]}, "tail 0 is empty"),
        ({"tails": [[5]] * (MAX_TAILS + 1)}, f"{MAX_TAILS + 1} tails are too many; read at most {MAX_TAILS} at once"),
        ({"documents": [[VOCABULARY]]}, f"a token is out of range; the vocabulary has 0 to {VOCABULARY - 1}"),
        ({"heads": []}, "heads is empty"),
        ({"heads": [Head(0, 4)]}, r"there is no Head\(layer=0, head=4\); heads of that layer go from 0 to 3"),
        ({"heads": [(0, 1, 2)]}, r"a head is a pair \(layer, head\), not \(0, 1, 2\)"),
        ({"heads": [Head(99, 0)]}, "is in no layer that is read; layers go from 0 to"),
        ({"heads": [Head(1, 0)], "layers": 1}, "is in no layer that is read; layers go from 0 to 0"),
        ({"heads": [Head(1, 0), Head(1, 0)]}, "heads names one twice"),
        ({"layers": 0}, "layers=0 is out of range; the model has 1 to"),
        ({"layers": 99}, "layers=99 is out of range; the model has 1 to"),
        ({"cache": DocumentKV()}, "set independent=True"),
    ],
)
def test_what_cannot_be_read_is_refused(reader: Reader, options: dict[str, object], problem: str) -> None:
    arguments: dict[str, object] = {"documents": DOCUMENTS, "tails": TAILS, **options}
    with pytest.raises(ModelError, match=problem):
        read(reader, **arguments)


def test_what_does_not_fit_is_refused_before_anything_is_evaluated(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitting = read(reader, [tokens(200, 0), tokens(180, 1)], [tokens(20, 2)])
    assert fitting.evaluated == 400
    monkeypatch.setattr(reader, "_documents", None)
    for documents in ([tokens(200, 0), tokens(181, 1)], [tokens(CONTEXT, 0)]):
        for independent in (False, True):
            with pytest.raises(ContextOverflow, match="the context takes 400") as caught:
                read(reader, documents, [tokens(20, 2)], independent=independent)
            assert caught.value.available == 400


def test_positions_end_where_the_model_was_trained_to(tmp_path: Path) -> None:
    weights = Weights(write_tiny(tmp_path, "llama"))
    reader = Reader(weights, n_ctx=2 * CONTEXT, threads=1)
    documents, tail = [tokens(300, 0), tokens(400, 1)], tokens(100, 2)
    with pytest.raises(ContextOverflow, match=f"has 800 tokens but the context takes {CONTEXT}"):
        read(reader, documents, [tail])
    assert read(reader, documents, [tail], independent=True).weights.shape[-1] == 700
    reader.close()
    reader.close()
    with pytest.raises(ModelError, match="the reader was closed; make another one"):
        read(reader, documents, [tail], independent=True)
    weights.close()


@pytest.mark.model
def test_the_document_that_answers_gets_the_attention() -> None:
    weights = Weights(find_model("embedded").path)
    reader = Reader(weights, n_ctx=512, threads=1)
    texts = [
        "The moon orbits the Earth once in about twenty-seven days.",
        "Cats purr when they are content, and sometimes when they are in pain.",
        "Bread rises because yeast turns sugar into carbon dioxide.",
    ]
    documents = [weights.tokenize(f"[{at}] {text}\n") for at, text in enumerate(texts, 1)]
    prompt = "Please answer the question with the paragraphs above.\nQuery: {}<|im_end|>\n<|im_start|>assistant\n"
    tails = [weights.tokenize(prompt.format(query), special=True) for query in ("Why do cats purr?", "N/A")]
    preamble = weights.tokenize("<|im_start|>user\nHere are some paragraphs:\n", special=True)
    for options in ({}, {"independent": True, "layers": 20}):
        attention = read(reader, documents, tails, preamble=preamble, **options)
        real, empty = attention.sums().sum(axis=1)
        assert (real - empty).argmax() == 1
    reader.close()
    weights.close()

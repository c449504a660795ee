"""The attention that is read is the model's: `transformers` computes the same from the same file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ragloom.rag.llm.attention import ggml
from ragloom.rag.llm.attention.blas import OneThread, one_thread
from ragloom.rag.llm.attention.flash import Attention, FlashAttention, Head
from ragloom.rag.llm.attention.ggml import Tensor
from ragloom.rag.llm.attention.reader import Reader
from ragloom.rag.llm.attention.reading import Reading
from ragloom.rag.llm.attention.reading_context import ReadingContext, Run
from ragloom.rag.llm.errors import AttentionUnavailable, ModelError
from ragloom.rag.llm.logs import route_logs
from ragloom.rag.llm.models import find_model
from ragloom.rag.llm.quantize import for_reading
from ragloom.rag.llm.weights import Weights
from threadpoolctl import threadpool_info
from tiny_models import SHAPES, VOCABULARY, eager_attention, in_float32, write_tiny

TAIL = 40  # tokens at the end that read the ones before


def correlations(path: Path, tokens: list[int], expected: NDArray[np.float32]) -> NDArray[np.float64]:
    """Per head, how close the attention of the last tokens is to what is expected; the first token is left out.

    Nearly all heads rest on the first token, which would make any two of them look alike.
    """
    start = len(tokens) - TAIL
    weights = Weights(path)
    reader = Reader(weights, n_ctx=len(tokens), threads=1)
    found = reader.read(Reading([tokens[:start]], [tokens[start:]])).weights[0]
    reader.close()
    weights.close()
    wanted = expected[:, :, start:, :start].mean(axis=2).reshape(found.shape)
    return np.array([np.corrcoef(ours, theirs)[0, 1] for ours, theirs in zip(found[:, 1:], wanted[:, 1:], strict=True)])


@pytest.mark.model
def test_attention_is_that_of_transformers(tmp_path: Path) -> None:
    model = find_model("embedded")
    quantised = model.path
    route_logs()
    exact = in_float32(quantised, tmp_path)
    weights = Weights(quantised)
    tokens = weights.tokenize(topics["assignment"])[:240]
    weights.close()
    expected = eager_attention(exact, tokens)
    assert correlations(exact, tokens, expected).min() >= 0.999
    # llama.cpp rounds what goes into a Q8_0 matrix to 8 bits, too; measured: .995 in the worst head, .999 in the middle
    with_q8 = correlations(quantised, tokens, expected)
    assert with_q8.min() >= 0.98
    assert np.median(with_q8) >= 0.995
    read = for_reading(model).path  # in BF16 where the CPU multiplies that; measured: .998 in the worst head
    as_it_is_read = correlations(read, tokens, expected)
    assert as_it_is_read.min() >= 0.98
    assert np.median(as_it_is_read) >= 0.995


@pytest.mark.parametrize("architecture", SHAPES)
def test_attention_is_that_of_transformers_in_other_architectures(architecture: str, tmp_path: Path) -> None:
    path = write_tiny(tmp_path, architecture)
    tokens = np.random.default_rng(1).integers(3, VOCABULARY, 200).tolist()
    assert correlations(path, tokens, eager_attention(path, tokens)).min() >= 0.999


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_documents_of_their_own_and_tails_see_what_they_should(architecture: str, tmp_path: Path) -> None:
    """In `transformers`: one sequence whose mask and positions make three documents and two tails of it."""
    path = write_tiny(tmp_path, architecture)
    lengths, end = [7, 40, 25, 33, 12, 5], 7 + 40
    parts = [np.random.default_rng(at).integers(3, VOCABULARY, length).tolist() for at, length in enumerate(lengths)]
    starts = [0, 7, 7, 7, end, end]
    positions = [start + at for start, length in zip(starts, lengths, strict=True) for at in range(length)]
    of = np.repeat(np.arange(6), lengths)
    visible = (of[:, None] == of) & np.tri(sum(lengths), dtype=np.bool_)
    visible |= (of == 0) & (of[:, None] > 0)
    visible |= np.isin(of, [1, 2, 3]) & (of[:, None] > 3)
    expected = eager_attention(path, [token for part in parts for token in part], positions, visible)
    weights = Weights(path)
    reader = Reader(weights, n_ctx=sum(lengths), threads=1)
    found = reader.read(Reading(parts[1:4], parts[4:], preamble=parts[0], independent=True))
    reader.close()
    weights.close()
    for tail in (0, 1):
        wanted = expected[:, :, of == tail + 4][..., np.isin(of, [1, 2, 3])].mean(axis=2)
        for ours, theirs in zip(found.weights[tail], wanted.reshape(found.weights[tail].shape), strict=True):
            assert np.corrcoef(ours, theirs)[0, 1] >= 0.999
            assert np.abs(ours - theirs).max() < 0.01


def test_a_model_whose_positions_are_a_bias_is_refused_by_name(tmp_path: Path) -> None:
    weights = Weights(write_tiny(tmp_path, "mpt"))
    with pytest.raises(AttentionUnavailable, match=r"cannot read the attention of tiny-mpt\.gguf: .*\(ALiBi\)"):
        Reader(weights, n_ctx=64, threads=1)
    weights.close()


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    numbers = np.array([1.5, -2.0, 0.0, np.inf], np.float32)
    np.testing.assert_array_equal(ggml.as_float32((numbers.view(np.uint32) >> 16).astype(np.uint16)), numbers)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Weights]:
    weights = Weights(write_tiny(tmp_path, "gemma3"))
    yield weights
    weights.close()


def test_a_token_sees_its_own_sequence_up_to_itself(tiny: Weights) -> None:
    context = ReadingContext(tiny, n_ctx=64, threads=1, batch=64)
    seen: dict[int, NDArray[np.float32]] = {}

    def visit(layer: int, output: Tensor) -> None:
        attention = FlashAttention(output)
        seen[layer] = attention.probabilities(range(attention.heads), 50)
        assert attention.disagreement(50) < 0.01

    context.evaluate(Run(0, 0, range(10, 40)))
    context.share(0, 1)
    context.evaluate_together([Run(0, 30, range(40, 50)), Run(1, 30, range(50, 60))], visit=visit, layers=range(7))
    context.close()
    position = np.array([*range(30), *range(30, 40), *range(30, 40)])
    sequence = np.array([0] * 30 + [1] * 10 + [2] * 10)
    rows, columns = np.arange(30, 50)[:, None], np.arange(50)[None, :]
    causal = (position[columns] <= position[rows]) & ((sequence[columns] == 0) | (sequence[columns] == sequence[rows]))
    near = position[rows] - position[columns] < SHAPES["gemma3"].window
    assert seen.keys() == set(range(7))
    for layer, weights in seen.items():
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
        visible = causal if layer == 5 else causal & near  # every sixth layer has no window
        assert (weights.min(axis=0)[visible] > 0).all()
        assert not weights[:, ~visible].any()


def test_no_exception_reaches_llama_cpp(tiny: Weights) -> None:
    context = ReadingContext(tiny, n_ctx=64, threads=1, batch=64)

    def visit(layer: int, output: Tensor) -> None:
        visited.append(layer)
        raise KeyboardInterrupt

    visited: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        context.evaluate_together([Run(0, 0, [3, 4, 5])], visit=visit, layers=[1, 2])
    assert visited == [1]
    context.clear()
    context.evaluate(Run(0, 0, [3, 4, 5]))  # and the next batch is evaluated as ever
    context.close()


def test_a_pass_ends_at_the_layer_where_it_is_interrupted(tiny: Weights) -> None:
    context = ReadingContext(tiny, n_ctx=64, threads=1, batch=64)
    layers = 0

    def interrupt() -> None:
        nonlocal layers
        layers += 1
        if layers == 3:
            raise TimeoutError

    with context.tap.until(interrupt), pytest.raises(TimeoutError):
        context.evaluate(Run(0, 0, [3, 4, 5]))
    assert layers == 3
    context.clear()
    context.evaluate(Run(0, 0, [3, 4, 5]))
    assert layers == 3
    context.close()


def test_another_layout_of_tensors_is_noticed(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ggml, "_NAME_OFFSET", ggml._NAME_OFFSET + 8)
    with pytest.raises(AttentionUnavailable, match="no node kqv_out in layer 0 of 7"):
        Reader(tiny, n_ctx=64, threads=1)


def test_a_reader_says_why_there_is_no_attention_and_what_works_instead(
    tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FlashAttention, "group", lambda _self, _head: 0)  # the wrong keys
    with pytest.raises(AttentionUnavailable, match="what is read in layer 0 differs from its output") as caught:
        Reader(tiny, n_ctx=64, threads=1)
    assert str(caught.value).startswith("cannot read the attention of tiny-gemma3.gguf: ")
    assert str(caught.value).endswith("; rerank with 'first', which reads logits, or with a cross-encoder")


def test_sums_of_spans() -> None:
    weights = np.arange(24, dtype=np.float32).reshape(2, 2, 6)
    attention = Attention(weights, (Head(0, 0), Head(0, 1)), (slice(0, 2), slice(2, 6)), 0, 0)
    assert attention.sums().tolist() == [[[1, 14], [13, 38]], [[25, 62], [37, 86]]]
    overlapping = attention.sums([slice(4, 6), slice(0, 6), slice(3, 4)])
    expected = [weights[..., 4:6].sum(-1), weights.sum(-1), weights[..., 3]]
    np.testing.assert_array_equal(overlapping, np.stack(expected, axis=-1))
    assert attention.sums([]).shape == (2, 2, 0)
    for span in (slice(2, 2), slice(3, 7), slice(-1, 2), slice(0, 4, 2)):
        with pytest.raises(ModelError, match="give slices with 0 <= start < stop <= 6"):
            attention.sums([span])


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_while_attention_is_read_numpy_multiplies_in_one_thread(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    averages = FlashAttention.averages

    def watched(self: FlashAttention, *given: Any) -> NDArray[np.float32]:
        seen.append(blas_threads())
        return averages(self, *given)

    monkeypatch.setattr(one_thread, "_controller", None)  # other tests may have loaded another BLAS since it was made
    reader = Reader(tiny, n_ctx=64, threads=1)
    monkeypatch.setattr(FlashAttention, "averages", watched)
    reader.read(Reading([[3, 4, 5]], [[6, 7]]))
    reader.close()
    assert seen
    assert all(threads == {1} for threads in seen)


def test_blas_gets_its_threads_back_when_the_last_one_leaves() -> None:
    before = blas_threads()
    one = OneThread()
    with one:
        with one:
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before

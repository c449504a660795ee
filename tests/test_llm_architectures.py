"""`LlamaEngine` on tiny random models of other architectures: they answer alone as together, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ragloom.rag.llm import AttentionUnavailable, LlamaEngine, Request, Sampling
from tiny_mla import HEADS, LAYERS, write_tiny_mla
from tiny_models import SHAPES, write_tiny

pytestmark = pytest.mark.model

SAMPLING = Sampling(max_tokens=20, logit_bias={0: -100, 1: -100, 2: -100})
PROMPTS = [[20 + (i * 7 + at * 3) % 200 for at in range(15 + 9 * i)] for i in range(6)]


@pytest.mark.parametrize("architecture", SHAPES)
def test_a_tiny_model_answers_together_as_alone(architecture: str, tmp_path: Path) -> None:
    requests = [Request(prompt, SAMPLING, top_logprobs=0) for prompt in PROMPTS]
    with LlamaEngine(write_tiny(tmp_path, architecture), n_ctx=400, batch_invariant=True) as engine:
        together = [answer.logprobs for answer in engine.generate(requests)]
        alone = [engine.generate([request])[0].logprobs for request in requests]
        reused = [engine.generate([Request(PROMPTS[-1], SAMPLING, top_logprobs=0)])[0].logprobs]
    assert together == alone
    assert reused == [alone[-1]]


@pytest.mark.parametrize("architecture", SHAPES)
def test_what_a_sliding_window_has_forgotten_is_not_reused(architecture: str, tmp_path: Path) -> None:
    first, second, third = (
        [20 + (at * step) % 200 for at in range(size)] for step, size in ((3, 60), (7, 120), (11, 100))
    )
    asked = [[*second[:40], 25]]
    candidates = range(20, 320)
    model = write_tiny(tmp_path, architecture)
    with LlamaEngine(model, n_ctx=256, n_seqs=1) as fresh:
        expected = fresh.score_next(asked, candidates)
    with LlamaEngine(model, n_ctx=256, n_seqs=1) as engine:
        for prompt in (first, second, third):
            engine.score_next([prompt], [20])
        assert np.abs(engine.score_next(asked, candidates) - expected).max() < 0.2


def test_a_prompt_of_a_whole_batch_in_a_whole_context_is_answered(tmp_path: Path) -> None:
    prompt = [20 + at * 3 % 200 for at in range(511)]
    with LlamaEngine(write_tiny(tmp_path, "llama"), n_ctx=512, batch_invariant=True) as engine:
        assert engine.generate([Request(prompt, SAMPLING)])[0].tokens == 1
        assert engine.score_next([[*prompt, 20], prompt], [20, 21]).shape == (2, 2)


@pytest.mark.parametrize("architecture", SHAPES)
def test_a_tiny_model_tells_its_attention(architecture: str, tmp_path: Path) -> None:
    with LlamaEngine(write_tiny(tmp_path, architecture), n_ctx=256) as engine:
        found = engine.attention(PROMPTS[:3], [PROMPTS[4][:9]], independent=True)
        assert found.weights.shape == (1, len(found.heads), sum(map(len, PROMPTS[:3])))
        assert np.all(found.weights >= 0)
        assert engine.generate([Request(PROMPTS[0], SAMPLING)])[0].tokens == 20


def test_a_model_without_attention_that_can_be_read_is_refused_by_name_and_still_answers(tmp_path: Path) -> None:
    with LlamaEngine(write_tiny(tmp_path, "mpt"), n_ctx=256) as engine:
        for _ in range(2):
            with pytest.raises(AttentionUnavailable, match=r"tiny-mpt.*ALiBi.*rerank with 'first'"):
                engine.attention([[20, 21]], [[22]])
        assert engine.generate([Request(PROMPTS[0], SAMPLING)])[0].tokens == 20


def test_attention_with_keys_and_values_of_unlike_sizes_is_read(tmp_path: Path) -> None:
    with LlamaEngine(write_tiny_mla(tmp_path, absorbed=False), n_ctx=256) as engine:
        found = engine.attention(PROMPTS[:3], [PROMPTS[4][:9]], independent=True)
        assert found.weights.shape == (1, LAYERS * HEADS, sum(map(len, PROMPTS[:3])))


def test_latent_attention_is_refused_by_name_and_still_answers(tmp_path: Path) -> None:
    with LlamaEngine(write_tiny_mla(tmp_path, absorbed=True), n_ctx=256) as engine:
        with pytest.raises(AttentionUnavailable, match="kqv_out-0 is computed by CONT instead of FLASH_ATTN_EXT"):
            engine.check_attention()
        assert engine.generate([Request(PROMPTS[0], SAMPLING)])[0].tokens == 20

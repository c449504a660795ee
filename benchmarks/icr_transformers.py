"""ICR as its authors run it, in `transformers`, at its best: the baseline of `rerank.py` for time, and for parity.

Same file, same tokens. The passages are evaluated once, by the fastest attention that torch has, and each query after
them by the one that tells its probabilities. Nothing computes logits. Scores are those of the paper's program (Chen et
al. 2025), written down a second time: none of ragloom's scoring is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from ragloom.rag.llm.engine import LlamaEngine
from ragloom.rag.rerank.icr import IcrReranker
from ragloom.rag.rerank.types import Passage
from ragloom.rag.rerank.window import Window

NOTHING = "N/A"
FAST, TELLING = "sdpa", "eager"


class TransformersIcr(IcrReranker):
    """Published ICR; only `llm`'s tokens and the place of its weights are used."""

    dtype: Literal["float32", "bfloat16"] = "float32"

    @cached_property
    def _model(self) -> Any:
        return load_model(self.llm.engine, getattr(torch, self.dtype))

    @torch.inference_mode()
    def _read(self, query: str, passages: Sequence[Passage], longest: int, _places: Sequence[int]) -> Window:
        numbered = [self._prompt.passage(passage, at) for at, passage in enumerate(passages[::-1], start=1)]
        parts = [part.cut(longest) for part in numbered]
        context = [*self._prompt.preamble, *(token for part in parts for token in part.tokens)]
        tails = [self._prompt.tail(query), self._prompt.tail(NOTHING)]
        self._model.set_attn_implementation(FAST)
        known = self._model(_batch(context), use_cache=True).past_key_values
        self._model.set_attn_implementation(TELLING)
        real, nothing = (self._attention(tail, known, len(context)) for tail in tails)
        calibrated = real - nothing
        scores, at = [], len(self._prompt.preamble)
        for part in parts:
            scores.append(_score(calibrated[at : at + part.own]))
            at += len(part)
        evaluated = len(context) + sum(map(len, tails))
        return Window(scores[::-1], evaluated)

    def _attention(self, tail: list[int], known: Any, length: int) -> torch.Tensor:
        """To each token of the context: averaged over the tail's tokens, summed over heads and layers."""
        layers = self._model(_batch(tail), past_key_values=known, output_attentions=True).attentions
        known.crop(-len(tail))
        return sum(layer[0, :, :, :length].float().mean(1).sum(0) for layer in layers)


def load_model(engine: LlamaEngine, dtype: torch.dtype) -> Any:
    """The engine's weights as a `transformers` model, without what makes logits."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
    from transformers.utils import logging

    logging.disable_progress_bar()
    path = str(engine.file.path)
    config = AutoConfig.for_model(**load_gguf_checkpoint(path)["config"])
    with torch.no_grad():
        whole = AutoModelForCausalLM.from_config(config, attn_implementation=FAST, dtype=torch.float32).eval()
        tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=whole)["tensors"]
        missing, unexpected = whole.load_state_dict(tensors, strict=False)
    if set(missing) - {"lm_head.weight"} or unexpected:
        raise ValueError(f"{path} has not the weights of a {type(whole).__name__}: {missing}, {unexpected}")
    return whole.model.to(dtype)


def _score(tokens: torch.Tensor) -> float:
    threshold = tokens.mean() - 2 * tokens.std()
    return float(tokens[tokens > threshold].sum())


def _batch(tokens: list[int]) -> torch.Tensor:
    return torch.tensor([tokens])

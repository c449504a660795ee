"""A look at a few tokens before anything is read: whether a model's attention can be read, and how.

A model's graph depends on its architecture and on llama.cpp's version, and numbers at the wrong place look like
numbers. So what is computed from the queries and keys is compared with what llama.cpp computed, layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..weights import Weights
from .architectures import ENCODER, RECURRENT
from .flash import FlashAttention
from .ggml import Tensor, check_layout
from .reading_context import ReadingContext, Run

_CLOSE = 0.02  # llama.cpp adds values up in float16; measured: 0.001 and less, another head's values: 1 and more
_TOKENS = 5  # of each of the prefix and two tails


@dataclass(frozen=True, slots=True)
class Layout:
    """What a model has to read.

    Attributes:
        heads: how many heads each layer has.
        stops: whether a pass can be ended early.
    """

    heads: tuple[int, ...]
    stops: bool


def probe(weights: Weights, context: ReadingContext) -> Layout:
    """Read a few tokens in `context`, which is empty again afterwards.

    Raises:
        ModelError: the attention cannot be read; the message is the reason.
    """
    model = weights.pointer
    if llama_cpp.llama_model_has_encoder(model):
        raise ModelError(ENCODER)
    if not weights.keeps_every_token:
        raise ModelError(RECURRENT)
    layers = llama_cpp.llama_model_n_layer(model)
    whole = _look(weights, context, layers, None)
    missing = sorted(set(range(layers)) - whole.keys())
    if missing:
        raise ModelError(f"there is no node kqv_out in layer {missing[0]} of {layers}")
    heads = tuple(len(whole[layer]) for layer in range(layers))
    middle = (layers - 1) // 2
    cut = _look(weights, context, layers, middle)
    same = all(np.allclose(cut[layer], whole[layer], atol=1e-3) for layer in cut)
    stops = same and cut.keys() == set(range(middle + 1)) and context.tap.asked_after_stop <= layers
    return Layout(heads, stops)


def _look(weights: Weights, context: ReadingContext, layers: int, last: int | None) -> dict[int, NDArray[np.float32]]:
    """Each layer's attention of two tails to a prefix and to each other, up to the layer `last`."""
    tokens = [7 * at % weights.n_vocab for at in range(3 * _TOKENS)]
    found: dict[int, NDArray[np.float32]] = {}
    visible = _visible()

    def visit(layer: int, output: Tensor) -> None:
        check_layout(output)
        attention = FlashAttention(output)
        if attention.tokens != 2 * _TOKENS:
            raise ModelError(f"layer {layer} evaluates {attention.tokens} of {2 * _TOKENS} tokens")
        if (error := attention.disagreement(len(tokens))) > _CLOSE:
            raise ModelError(f"what is read in layer {layer} differs from its output by {error:.2g} of that")
        found[layer] = attention.probabilities(range(attention.heads), len(tokens))
        if found[layer][:, ~visible].any():
            raise ModelError(f"in layer {layer} the cells of its cache are not in the order of evaluation")

    context.clear()
    context.evaluate(Run(0, 0, tokens[:_TOKENS]), last)
    context.share(0, 1)
    context.share(0, 2)
    tails = [Run(1, _TOKENS, tokens[_TOKENS : 2 * _TOKENS]), Run(2, _TOKENS, tokens[2 * _TOKENS :])]
    context.evaluate_together(tails, last=last, visit=visit, layers=range(layers))
    context.clear()
    return found


def _visible() -> NDArray[np.bool_]:
    """Which of the cells, prefix and two tails, each tail's token may see: `[2 * _TOKENS, 3 * _TOKENS]`."""
    causal = np.tri(_TOKENS, dtype=np.bool_)
    return np.hstack([np.ones((2 * _TOKENS, _TOKENS), np.bool_), np.kron(np.eye(2, dtype=np.bool_), causal)])

"""How much a query's tokens attend to the tokens of documents, per layer and head.

In-context reranking needs nothing else of a model: a document's score is the attention that the query's tokens pay to
its tokens (Chen et al. 2025, "Attention in Large Language Models Yields Efficient Zero-Shot Re-Rankers", ICLR 2025).
Flash attention never writes these weights down, but its node has its queries and keys for arguments, so they are
computed again, for the heads that are asked for only: softmax(Q K^T * scale + mask).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .architectures import ALIBI
from .ggml import Tensor, array, as_float32, operation, source

_FLASH_ATTENTION = "FLASH_ATTN_EXT"


class Head(NamedTuple):
    """One attention head, both numbers from 0."""

    layer: int
    head: int


@dataclass(frozen=True, slots=True)
class Attention:
    """What the tails' tokens attend to.

    Attributes:
        weights: `[n_tails, n_heads, n_tokens]`, read-only: the softmax attention to each token of the documents,
            averaged over the tail's tokens. Over all that a tail sees (preamble, documents, itself) it sums to 1, or to
            less in a model with attention sinks (gpt-oss), which draw the rest.
        heads: which (layer, head) each row of the second axis is.
        documents: where each document's tokens are on the last axis.
        evaluated: tokens evaluated for this.
        reused: tokens whose KV was there already.
    """

    weights: NDArray[np.float32]
    heads: tuple[Head, ...]
    documents: tuple[slice, ...]
    evaluated: int
    reused: int

    def sums(self, spans: Sequence[slice] | None = None) -> NDArray[np.float32]:
        """The attention to each of `spans`, `[n_tails, n_heads, n_spans]`.

        Args:
            spans: slices of the last axis with start and stop, which may overlap; default: the documents.

        Raises:
            ModelError: a span is empty or reaches beyond the documents' tokens.
        """
        spans = self.documents if spans is None else spans
        total = self.weights.shape[-1]
        for span in spans:
            if not 0 <= (span.start or 0) < (total if span.stop is None else span.stop) <= total or span.step:
                raise ModelError(f"{span} is no span of {total} tokens; give slices with 0 <= start < stop <= {total}")
        if not spans:
            return np.zeros((*self.weights.shape[:2], 0), np.float32)
        edges = [edge for span in spans for edge in (span.start or 0, total if span.stop is None else span.stop)]
        # `reduceat` sums from each edge to the next one; every second sum is of what lies between two spans.
        padded = np.pad(self.weights, ((0, 0), (0, 0), (0, 1))) if total in edges[1::2] else self.weights
        found: NDArray[np.float32] = np.add.reduceat(padded, edges, axis=-1)[..., ::2]
        return found


class FlashAttention:
    """The arguments of one layer's flash attention, while llama.cpp holds them."""

    def __init__(self, output: Tensor) -> None:
        """Find the operation behind the node `kqv_out`.

        Raises:
            ModelError: there is none, or it computes what is not implemented here.
        """
        node = source(output, 0)
        if node is None or operation(node) != _FLASH_ATTENTION:
            found = "nothing" if node is None else operation(node)
            raise ModelError(f"{output.name.decode()} is computed by {found} instead of {_FLASH_ATTENTION}")
        self._node = node
        self._scale, max_bias, self._softcap = node.op_params[:3]
        if max_bias:
            raise ModelError(ALIBI)
        query, key = self._argument(0), self._argument(1)
        if query.shape[0] != 1 or query.shape[1] % key.shape[1]:
            raise ModelError(f"its queries {query.shape} and keys {key.shape} do not fit together")
        self._query, self._key = query[0], key[0]
        mask, sinks = source(node, 3), source(node, 4)
        self._mask = None if mask is None else array(mask)[0, 0]
        self._sinks = None if sinks is None else as_float32(array(sinks)).reshape(-1)
        self.heads: int = self._query.shape[0]
        self.tokens: int = self._query.shape[1]
        self._shared: int = self.heads // self._key.shape[0]  # query heads that share a key head

    def _argument(self, index: int) -> NDArray[Any]:
        tensor = source(self._node, index)
        if tensor is None:
            raise ModelError(f"its flash attention has no argument {index}")
        return array(tensor)

    def group(self, head: int) -> int:
        """Which key head a query head reads."""
        return head // self._shared

    def averages(self, heads: Sequence[int], rows: Sequence[slice], cells: int, shown: slice) -> NDArray[np.float32]:
        """The attention of each of `rows`, averaged over its tokens: `[n_rows, n_heads, n_shown]`.

        Args:
            heads: which heads.
            rows: slices of the batch's tokens, one for each tail.
            cells: how many cells of the cache are in use.
            shown: which of them are reported.
        """
        found = np.empty((len(rows), len(heads), len(range(cells)[shown])), np.float32)
        for group in sorted({self.group(head) for head in heads}):
            places = [at for at, head in enumerate(heads) if self.group(head) == group]
            numerators, sums = self._softmax([heads[at] for at in places], cells)
            for at, part in enumerate(rows):
                factors = (1 / (sums[:, part] * (part.stop - part.start)))[:, None, :]
                found[at, places] = (factors @ numerators[:, part, shown])[:, 0]
        return found

    def probabilities(self, heads: Sequence[int], cells: int) -> NDArray[np.float32]:
        """The attention of every token of the batch to every cell: `[n_heads, n_tokens, n_cells]`."""
        found = np.empty((len(heads), self.tokens, cells), np.float32)
        for at, head in enumerate(heads):
            numerators, sums = self._softmax([head], cells)
            found[at] = (numerators / sums[..., None])[0]
        return found

    def _softmax(self, heads: Sequence[int], cells: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Numerators `[n_heads, n_tokens, n_cells]` and denominators of the heads of one group."""
        key = as_float32(self._key[self.group(heads[0]), :cells])
        scale = self._scale / self._softcap if self._softcap else self._scale
        query = self._query[list(heads)] * np.float32(scale)
        scores = (query.reshape(-1, query.shape[-1]) @ key.T).reshape(len(heads), self.tokens, cells)
        if self._softcap:
            np.tanh(scores, out=scores)
            scores *= np.float32(self._softcap)
        self._hide(scores)
        highest = scores.max(axis=-1, keepdims=True)
        scores -= highest
        np.exp(scores, out=scores)
        sums = scores.sum(axis=-1)
        if self._sinks is not None:
            sums += np.exp(self._sinks[list(heads), None] - highest[..., 0])
        return scores, sums

    def _hide(self, scores: NDArray[np.float32]) -> None:
        """Add the mask: causality, sliding window and which cells belong to a token's sequence."""
        if self._mask is None:
            return
        mask = self._mask[: self.tokens, : scores.shape[-1]]
        masked = np.flatnonzero(mask.view(np.uint16).any(axis=0))  # the rest, mostly the documents, everyone sees
        if masked.size:
            part = slice(masked[0], masked[-1] + 1)
            scores[..., part] += mask[:, part].astype(np.float32)

    def disagreement(self, cells: int) -> float:
        """How far what is computed here is from what llama.cpp computed: relative error of its output, 0 is none."""
        value, output = as_float32(self._argument(2)[0, :, :cells]), array(self._node)[0]
        groups = [self.group(head) for head in range(self.heads)]
        expected = output.transpose(1, 0, 2)
        found = self.probabilities(range(self.heads), cells) @ value[groups]
        norm = float(np.linalg.norm(expected))
        error = float(np.linalg.norm(found - expected)) / norm if norm else 0.0
        return error if math.isfinite(error) else math.inf

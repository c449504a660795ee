"""Constrained decoding: of the next tokens only those are drawn that a grammar allows.

Asking the grammar about every token of a vocabulary of 49,152 costs 7 to 30 ms, decoding a token 7. So a token is first
drawn as if there were no grammar, and the grammar is asked about that one; only if it says no, about all, and the token
is drawn again. That changes no probability: an allowed token comes at once with p, or after a refusal in proportion to
p. Speculating like this is llama.cpp's own `common_sampler_sample`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import llama_cpp
import numpy as np

from ..errors import ModelError
from ..weights import Weights

_CANDIDATE = np.dtype([("token", np.int32), ("logit", np.float32), ("p", np.float32)])
"""`llama_token_data`."""

Candidates = np.ndarray[tuple[int], np.dtype[np.void]]
"""The tokens that may be drawn, with their logits, shape (tokens,)."""


class Constraint:
    """A grammar, and how much of it an answer has gone through. For one answer."""

    def __init__(self, grammar: llama_cpp.llama_sampler_p, tokens: int) -> None:
        """Hold answers in a vocabulary of so many `tokens` to a `grammar`; see `constrained`."""
        self._grammar = grammar
        self._tokens = tokens

    def draw(self, sampler: llama_cpp.llama_sampler_p, context: llama_cpp.llama_context_p, row: int) -> int:
        """The next token, by the logits of that row of the last batch.

        Raises:
            ModelError: the grammar allows none.
        """
        token = _draw_of(self._candidates(context, row), sampler)
        if not self._allows(token):
            candidates = self._candidates(context, row)
            llama_cpp.llama_sampler_apply(self._grammar, ctypes.byref(_as_array(candidates)))
            if not np.isfinite(candidates["logit"]).any():
                raise ModelError("the grammar allows no further token, and no end")
            token = _draw_of(candidates, sampler)
        for each in (sampler, self._grammar):
            llama_cpp.llama_sampler_accept(each, token)
        return token

    def _allows(self, token: int) -> bool:
        candidates = np.array([(token, 0.0, 0.0)], _CANDIDATE)
        llama_cpp.llama_sampler_apply(self._grammar, ctypes.byref(_as_array(candidates)))
        return bool(np.isfinite(candidates["logit"][0]))

    def _candidates(self, context: llama_cpp.llama_context_p, row: int) -> Candidates:
        candidates = np.zeros(self._tokens, _CANDIDATE)
        candidates["token"] = np.arange(self._tokens)
        candidates["logit"] = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, row), (self._tokens,))
        return candidates


@contextmanager
def constrained(weights: Weights, grammar: str) -> Iterator[Constraint]:
    """Hold one answer to a `grammar` in GBNF.

    Raises:
        EngineClosed: the model was closed.
        ModelError: llama.cpp cannot use the grammar.
    """
    try:
        written = grammar.encode()
    except UnicodeEncodeError as error:
        found = grammar[error.start]
        raise ModelError(f"a grammar cannot have the lone surrogate {found!r} in it: no text has one") from None
    with weights.vocabulary() as vocabulary:
        sampler = llama_cpp.llama_sampler_init_grammar(vocabulary, written, b"root")
    if not sampler:
        raise ModelError(f"llama.cpp cannot use the grammar {grammar!r:.200}")
    try:
        yield Constraint(sampler, weights.n_vocab)
    finally:
        llama_cpp.llama_sampler_free(sampler)


def _draw_of(candidates: Candidates, sampler: llama_cpp.llama_sampler_p) -> int:
    array = _as_array(candidates)
    llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
    return int(array.data[array.selected].id)


def _as_array(candidates: Candidates) -> llama_cpp.llama_token_data_array:
    data = candidates.ctypes.data_as(llama_cpp.llama_token_data_p)
    return llama_cpp.llama_token_data_array(data=data, size=len(candidates), selected=-1, sorted=False)

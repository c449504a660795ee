"""What a grammar lets a model write, asked of llama.cpp itself."""

from __future__ import annotations

import llama_cpp
from ragloom.rag.llm.batching.constraint import constrained
from ragloom.rag.llm.weights import Weights


def accepts(weights: Weights, grammar: str, text: str, *, whole: bool = True) -> bool:
    """Whether a grammar lets a model write `text`, and end after it if that is `whole`."""
    with constrained(weights, grammar) as constraint:
        for token in weights.tokenize(text):
            if not constraint._allows(token):
                return False
            llama_cpp.llama_sampler_accept(constraint._grammar, token)
        return not whole or constraint._allows(weights.end[0])

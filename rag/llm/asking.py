"""From what callers of the engine write to tokens, and why something cannot be asked. Nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .errors import ContextOverflow, ModelError
from .requests import Request
from .sampling import Sampling, SamplingOptions
from .weights import Weights

_DEFAULT_CONTEXT = 8192  # tokens; what a model was trained for may be 131,072, and gigabytes of KV cache

Text = str | Sequence[int]
"""A text, or its tokens."""

T = TypeVar("T")


def context_size(weights: Weights, n_ctx: int | None, name: str) -> int:
    """How many tokens a context of the model `name` has that was asked for with `n_ctx`.

    Raises:
        ModelError: that is out of range.
    """
    trained = weights.trained_context
    if n_ctx is not None and n_ctx < 1:
        raise ModelError(f"n_ctx should be at least 1, not {n_ctx}")
    if n_ctx is not None and n_ctx > trained:
        raise ModelError(f"n_ctx={n_ctx} is more than the {trained} tokens that {name} was trained for")
    return n_ctx or min(trained, _DEFAULT_CONTEXT)


def as_tokens(weights: Weights, text: Text) -> list[int]:
    """The tokens of a text, which is only text, or what already is tokens."""
    return weights.tokenize(text) if isinstance(text, str) else list(text)


def as_list(asked: Sequence[T], what: str) -> Sequence[T]:
    """What is asked, unless it is one text, which is a sequence of characters, too.

    Raises:
        ModelError: it is.
    """
    if isinstance(asked, str):
        raise ModelError(f"{what} should be a list; put the one text into one")
    return asked


def prompt_tokens(weights: Weights, prompt: Text, *, room: int) -> list[int]:
    """The tokens of a prompt.

    Raises:
        ContextOverflow: there are more than `room`.
        ModelError: there are none, or the model does not know one.
    """
    tokens = as_tokens(weights, prompt)
    if not tokens:
        raise ModelError("there is nothing to continue: the prompt is empty")
    _check_known(weights, tokens)
    if len(tokens) > room:
        raise ContextOverflow(len(tokens), room)
    return tokens


def as_request(weights: Weights, request: Request | Text, sampling: SamplingOptions) -> Request:
    """A request, or a prompt that is to be answered as `sampling` says.

    Raises:
        ModelError: an option cannot be used.
    """
    if not isinstance(request, Request):
        request = Request(request, Sampling.of(sampling))
    elif sampling:
        raise ModelError(f"a Request has its own sampling; give it {', '.join(sampling)} there")
    if strange := [token for token, _ in request.sampling.logit_bias if token >= weights.n_vocab]:
        raise ModelError(f"logit_bias names token {strange[0]}; they go from 0 to {weights.n_vocab - 1}")
    if request.top_logprobs is not None and not 0 <= request.top_logprobs <= weights.n_vocab:
        raise ModelError(f"top_logprobs should be from 0 to {weights.n_vocab}, not {request.top_logprobs}")
    return request


def candidate_token(weights: Weights, candidate: str | int) -> int:
    """The token that a candidate is.

    Raises:
        ModelError: it is none, or several.
    """
    tokens = [candidate] if isinstance(candidate, int) else weights.tokenize_within(candidate)
    if len(tokens) != 1:
        pieces = [weights.text([token]) for token in tokens]
        raise ModelError(f"{candidate!r} is {len(tokens)} tokens, {pieces}; a candidate is a single one")
    _check_known(weights, tokens)
    return tokens[0]


def _check_known(weights: Weights, tokens: Sequence[int]) -> None:
    if unknown := [token for token in tokens if not 0 <= token < weights.n_vocab]:
        raise ModelError(f"the model has no token {unknown[0]}; they go from 0 to {weights.n_vocab - 1}")

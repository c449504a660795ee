"""From what callers of the engine write to tokens, and why something cannot be asked. Nothing is evaluated here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from operator import index
from typing import Any, TypeVar

from .errors import ContextOverflow, ModelError
from .requests import Request
from .sampling import Sampling, SamplingOptions
from .weights import Weights

Text = str | Sequence[int]
"""A text, or its tokens."""

T = TypeVar("T")


def as_tokens(weights: Weights, text: Text, what: str = "a prompt") -> list[int]:
    """The tokens of a text, which is only text, or what already is tokens, such as those in a numpy array.

    Raises:
        ModelError: it is neither, or the model does not know a token.
    """
    if isinstance(text, str):
        return weights.tokenize(text)
    return _known(weights, text, what)


def as_plain_tokens(weights: Weights, text: Text, what: str) -> list[int]:
    """As `as_tokens`; but of a text, the chat template's delimiters are only text, too.

    Raises:
        ModelError: it is neither a text nor tokens, or the model does not know a token.
    """
    return weights.tokenize_plain(text) if isinstance(text, str) else _known(weights, text, what)


def as_list(asked: Sequence[T], what: str) -> Sequence[T]:
    """What is asked, unless it is one thing alone. A text is one, though it is a sequence of characters, too.

    Raises:
        ModelError: it is.
    """
    if isinstance(asked, str):
        raise ModelError(f"{what} should be a list; put the one text into one")
    if isinstance(asked, Request):
        raise ModelError(f"{what} should be a list; put the one Request into one")
    if not isinstance(asked, Iterable):
        raise ModelError(f"{what} should be a list, not {asked!r:.80}")
    return asked


def as_seconds(timeout: Any) -> float | None:
    """A timeout, None for none.

    Raises:
        ModelError: it is no number of seconds.
    """
    if timeout is None:
        return None
    try:
        seconds = float(timeout) if isinstance(timeout, Real) and not isinstance(timeout, bool) else math.nan
    except OverflowError:
        seconds = math.inf
    if not 0 < seconds < math.inf:
        raise ModelError(f"timeout should be a number of seconds greater than 0, or None, not {timeout!r:.80}")
    return seconds


def prompt_tokens(weights: Weights, prompt: Text, *, room: int) -> list[int]:
    """The tokens of a prompt.

    Raises:
        ContextOverflow: there are more than `room`.
        ModelError: there are none, or the model does not know one.
    """
    tokens = as_tokens(weights, prompt)
    if not tokens:
        raise ModelError("there is nothing to continue: the prompt is empty")
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
    top = request.top_logprobs
    if top is not None and not 0 <= _whole(top, "top_logprobs should be a number") <= weights.n_vocab:
        raise ModelError(f"top_logprobs should be from 0 to {weights.n_vocab}, not {top}")
    return replace(request, timeout=as_seconds(request.timeout))


def candidate_token(weights: Weights, candidate: str | int) -> int:
    """The token that a candidate is.

    Raises:
        ModelError: it is none, or several.
    """
    if not isinstance(candidate, str):
        return _known(weights, [candidate], "a candidate")[0]
    tokens = weights.tokenize_within(candidate)
    if len(tokens) != 1:
        pieces = [weights.text([token]) for token in tokens]
        raise ModelError(f"{candidate!r} is {len(tokens)} tokens, {pieces}; a candidate is a single one")
    return tokens[0]


def _known(weights: Weights, tokens: Any, what: str) -> list[int]:
    """Tokens as ints, in the model's vocabulary."""
    expected = f"{what} should be a text or tokens"
    if isinstance(tokens, bytes) or not isinstance(tokens, Iterable):
        raise ModelError(f"{expected}, not {tokens!r:.80}")
    known = [_whole(token, expected) for token in tokens]
    if unknown := [token for token in known if not 0 <= token < weights.n_vocab]:
        raise ModelError(f"the model has no token {unknown[0]}; they go from 0 to {weights.n_vocab - 1}")
    return known


def _whole(number: Any, expected: str) -> int:
    """The number as an int. True and False are none here, though they are in Python."""
    try:
        if not isinstance(number, bool):
            return index(number)
    except TypeError:
        pass
    raise ModelError(f"{expected}, not {number!r:.80}")

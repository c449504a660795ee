"""What runs in a sequence: it gets the logits after its prompt, and says which token comes next, if any."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..deadline import Deadline
from ..errors import Cancelled
from ..requests import Delta, FinishReason, Request
from ..text import TextStream
from ..weights import Weights
from .context import Context
from .sampler import Sampler, log_softmax, token_logprob

Sink = Callable[[Any], None]
"""Takes what a task has to tell, in the engine's thread: results, or the exception that the caller is to raise."""


class Task(ABC):
    """One prompt. All methods but `cancel` are for the engine's thread.

    What a task tells last it tells in `finish`, when its sequence is free again: whoever hears it finds it so.

    Attributes:
        deadline: after which nobody waits any longer.
        prompt: its tokens.
        reused: how many of them were there already; None until it is let in.
        generated: tokens drawn so far.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        sink: Sink,
        timeout: float | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        """Tell `sink` what comes of `prompt`; fail after `timeout` seconds, or when `cancelled` is set."""
        self.prompt = list(prompt)
        self.reused: int | None = None
        self.generated = 0
        self._sink = sink
        self.deadline = Deadline(timeout)
        self._given = cancelled
        self._cancelled = False

    @property
    @abstractmethod
    def most_tokens(self) -> int:
        """How many tokens may come after the prompt."""

    @abstractmethod
    def advance(self, context: Context, row: int) -> int | None:
        """Take the logits after the last token; the next token to evaluate, None if there is none.

        Raises:
            ModelError: the task cannot go on.
        """

    def cancel(self) -> None:
        """Nobody wants the result any more; from any thread."""
        self._cancelled = True

    @property
    def has_ended(self) -> bool:
        """Whether nobody wants the result any more, or it is too late for it."""
        return self._cancelled or self._is_unwanted or self.deadline.exceeded is not None

    @property
    def _is_unwanted(self) -> bool:
        return self._given is not None and self._given.is_set()

    def tell_end(self) -> None:
        """Tell whoever still waits that it was cancelled, or is too late."""
        if self._cancelled:
            return
        if error := Cancelled() if self._is_unwanted else self.deadline.exceeded:
            self._sink(error)

    @abstractmethod
    def finish(self) -> None:
        """Tell the rest, after `advance` gave no further token."""

    def fail(self, error: Exception) -> None:
        """Tell the caller what went wrong."""
        self._sink(error)

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Free what the task holds; a second call does nothing."""


class Generation(Task):
    """Continues the prompt; tells a `Delta` per token and one more at the end."""

    def __init__(
        self, weights: Weights, prompt: Sequence[int], request: Request, sampler: Sampler, room: int, sink: Sink
    ) -> None:
        """Answer `request`, whose `prompt` leaves `room` for so many tokens; the `sampler` is the task's own."""
        super().__init__(prompt, sink, request.timeout, request.cancelled)
        self._weights = weights
        self._request = request
        limit = request.sampling.max_tokens
        self._limit = room if limit is None else min(room, limit)
        self._text = TextStream(request.sampling.stop)
        self._sampler = sampler
        self._finish_reason: FinishReason = "stop"

    @property
    def most_tokens(self) -> int:
        """How many tokens may come after the prompt."""
        return self._limit

    def advance(self, context: Context, row: int) -> int | None:
        """Draw a token and tell it; None if it ends the answer."""
        token = self._sampler.draw(context, row)
        if self._weights.is_end(token):
            return None
        self.generated += 1
        top = self._request.top_logprobs
        logprob = None if top is None else token_logprob(self._weights, context, row, token, top)
        self._sink(Delta(self._text.feed(self._weights.piece(token)), self.generated, logprob))
        if self._text.stopped:
            return None
        if self.generated == self._limit:
            self._finish_reason = "length"
            return None
        return token

    def finish(self) -> None:
        """Tell the last delta."""
        rest = self._text.finish()
        self._sink(Delta(rest, self.generated, finish_reason=self._finish_reason, reused=self.reused or 0))

    def close(self) -> None:
        """Free the sampler."""
        self._sampler.close()


class Scored(NamedTuple):
    """The log-probabilities `[n_candidates]`, and how much of the prompt was there already."""

    logprobs: NDArray[np.float32]
    prompt_tokens: int
    reused: int


class Scoring(Task):
    """Tells how likely each of some tokens is after the prompt, and generates nothing."""

    most_tokens = 0

    def __init__(
        self,
        prompt: Sequence[int],
        candidates: NDArray[np.intp],
        timeout: float | None,
        cancelled: threading.Event | None,
        sink: Sink,
    ) -> None:
        """Score the `candidates`, token ids `[n_candidates]`."""
        super().__init__(prompt, sink, timeout, cancelled)
        self._candidates = candidates
        self._scores = np.empty(0, np.float32)

    def advance(self, context: Context, row: int) -> None:
        """Read the log-probabilities `[n_candidates]`."""
        self._scores = log_softmax(context.logits(row))[self._candidates]

    def finish(self) -> None:
        """Tell them."""
        self._sink(Scored(self._scores, len(self.prompt), self.reused or 0))

"""One model in one thread: callers hand in prompts and read their answers from a queue.

A llama.cpp context serves one caller at a time. Were it guarded by a lock, a caller that asks again while it still
reads a stream would wait for itself. So one thread owns the context and answers one prompt after the other; a stream
that nobody reads any longer is cut off.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Literal

from .context import Context
from .errors import ContextOverflowError, ModelError
from .sampling import Sampling
from .text import TextStream
from .weights import Weights

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Delta:
    """The next bit of an answer.

    Attributes:
        text: what is new, empty where the token completes no character.
        tokens: tokens generated so far.
        finish_reason: on the last delta, whether the model or a stop string ended the answer, or a limit did.
    """

    text: str
    tokens: int
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    prompt: Sequence[int]
    sampling: Sampling
    grammar: str
    answer: SimpleQueue[int | Exception | None] = field(default_factory=SimpleQueue)
    cancelled: threading.Event = field(default_factory=threading.Event)


class Engine:
    """Answers prompts of tokens; safe to use from any thread."""

    def __init__(self, weights: Weights, *, n_ctx: int, threads: int) -> None:
        """Reserve the context and start the thread; from here on the engine owns `weights`.

        Raises:
            ModelError: the memory does not suffice.
        """
        self.weights = weights
        self.n_ctx = n_ctx
        owner = _Owner(Context(weights, n_ctx=n_ctx, threads=threads), weights)
        self._owner = owner
        # Runs when the engine is collected, and at exit before Python dismantles itself.
        self.close = weakref.finalize(self, owner.stop)

    def stream(self, prompt: Sequence[int], sampling: Sampling, grammar: str = "") -> Iterator[Delta]:
        """Answer `prompt`, within the `grammar` if there is one; the last delta carries the `finish_reason`.

        Raises:
            ContextOverflowError: the prompt leaves no room for an answer.
            ModelError: the engine was closed, or llama.cpp failed.
        """
        if len(prompt) >= self.n_ctx:
            raise ContextOverflowError(len(prompt), self.n_ctx - 1)
        text = TextStream(sampling.stop)
        count = 0
        with closing(self._owner.tokens(_Job(prompt, sampling, grammar))) as tokens:
            for token in tokens:
                count += 1
                shown = text.feed(self.weights.piece(token))
                if text.stopped:
                    yield Delta(shown, count, "stop")
                    return
                yield Delta(shown, count)
        full = count in (sampling.max_tokens, self.n_ctx - len(prompt))
        yield Delta(text.finish(), count, "length" if full else "stop")


class _Owner:
    """The thread that owns the context. It knows nothing of the engine, so that a forgotten engine can be collected."""

    def __init__(self, context: Context, weights: Weights) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        arguments = (context, weights, self._jobs, self._stopping)
        self._thread = threading.Thread(target=_serve, args=arguments, name="ragloom-llm", daemon=True)
        self._thread.start()

    def tokens(self, job: _Job) -> Generator[int]:
        """Do the job; closing the iterator cancels it."""
        with self._lock:
            if self._stopping.is_set() or not self._thread.is_alive():
                raise ModelError("the model was closed, or loaded before this process was forked; load it again")
            self._jobs.put(job)
        try:
            while (token := job.answer.get()) is not None:
                if isinstance(token, Exception):
                    raise token
                yield token
        finally:
            job.cancelled.set()

    def stop(self) -> None:
        """Cancel what runs, free the memory and end the thread."""
        with self._lock:
            self._stopping.set()
            self._jobs.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()


def _serve(context: Context, weights: Weights, jobs: SimpleQueue[_Job | None], stopping: threading.Event) -> None:
    while (job := jobs.get()) is not None:
        _answer(context, job, stopping)
    context.close()
    weights.close()


def _answer(context: Context, job: _Job, stopping: threading.Event) -> None:
    def cancelled() -> bool:
        return stopping.is_set() or job.cancelled.is_set()

    try:
        for token in context.generate(job.prompt, job.sampling, cancelled, job.grammar):
            job.answer.put(token)
    except Exception as error:  # noqa: BLE001 - the caller raises it
        job.answer.put(error)
    else:
        job.answer.put(ModelError("the model was closed while it answered") if stopping.is_set() else None)

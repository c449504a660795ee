"""A GGUF model in this process: many callers, one thread that evaluates.

llama.cpp's context serves one thread. Were it guarded by a lock, callers would wait for each other, and one who asks
again while still reading a stream would wait for itself. So one thread owns the context; callers hand in requests and
read results as they come, and whoever stops reading frees the sequence.

```python
from ragloom.rag.llm import LlamaEngine, Request

with LlamaEngine("embedded", n_ctx=1024) as engine:
    first, second = engine.generate(["The capital of France is", "The capital of Japan is"], max_tokens=6)
    yes, no = engine.score_next(["Is the sky blue? Answer:"], [" Yes", " No"])[0]
```
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, aclosing, closing
from functools import cached_property, partial
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from ...settings import read_settings
from .asking import Text, as_list, as_plain_tokens, as_request, as_seconds, candidate_token, prompt_tokens
from .attention.document_kv import DocumentKV
from .attention.flash import Attention, Head
from .attention.reader import LazyReader
from .attention.reading import Reading
from .batching.context import Context, context_size
from .batching.owner import Owner
from .batching.results import AsyncResults, Results, gather
from .batching.sampler import Sampler
from .batching.scheduler import Scheduler
from .batching.sequences import SequenceCache
from .batching.tasks import Generation, Scored, Scoring, Sink
from .deadline import Deadline
from .errors import ModelError
from .models import find_model
from .requests import Completion, Delta, EngineStats, Request
from .sampling import SamplingOptions
from .usage import add_read
from .weights import Weights

_MOST_SEQS = 127  # llama.cpp has 256 sequences; each running one has one beside it that is kept
_MOST_THREADS = 512  # of ggml; 100,000 crash the process


class LlamaEngine:
    """Answers prompts of tokens; safe to use from any thread and any event loop.

    Requests that come together are evaluated together. A prompt that begins like an earlier one, or like one that is
    being evaluated, is evaluated from where they part. At temperature 0 the answer to a prompt is nevertheless nearly
    always the same; see `batch_invariant` for always.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "embedded",
        *,
        n_ctx: int | None = None,
        n_seqs: int = 16,
        threads: int | None = None,
        n_gpu_layers: int = 0,
        batch_invariant: bool = False,
    ) -> None:
        """Load the model and reserve its context.

        Args:
            model: `embedded`, the path of a GGUF file, or `hf:owner/repo/file.gguf`.
            n_ctx: room for all prompts and answers under way, in tokens, and so for the longest one; None: what the
                model was trained for, at most 8,192.
            n_seqs: how many requests are answered at the same time, at most 127; more wait for their turn.
            threads: CPU threads, at most 512; None: the setting `RAGLOOM_THREADS`.
            n_gpu_layers: how many layers go to the GPU; -1: all.
            batch_invariant: whatever is asked beside or was asked before, the same prompt has the same logits to the
                last bit, on the CPU. Prompts take longer: measured here 1.8 times at 500 tokens, 2.4 times at 2,000.

        Raises:
            ModelError: the model cannot be found or loaded, the memory does not suffice, or an option is out of range.
        """
        self.file = file = find_model(model)
        self.name = file.name
        if not 1 <= n_seqs <= _MOST_SEQS:
            raise ModelError(f"n_seqs should be from 1 to {_MOST_SEQS}, not {n_seqs}")
        if batch_invariant and n_gpu_layers:
            raise ModelError("batch_invariant is for the CPU: on a GPU nobody knows in which order sums are made")
        threads = read_settings().threads if threads is None else threads
        if not 1 <= threads <= _MOST_THREADS:
            raise ModelError(f"threads should be from 1 to {_MOST_THREADS}, not {threads}")
        with ExitStack() as undo:
            weights = Weights(file.path, n_gpu_layers=n_gpu_layers)
            undo.callback(weights.close)
            self.weights = weights
            self.n_ctx = context_size(weights, n_ctx, self.name)
            if batch_invariant and not weights.keeps_every_token:
                raise ModelError(f"batch_invariant cannot be had: {file.name} sums up what it has read")
            self.n_seqs = n_seqs
            context = Context(
                weights,
                n_ctx=self.n_ctx,
                n_seqs=2 * n_seqs + 2,  # those that run, as many that are kept, one of the cache and one of the context
                threads=threads,
                batch_invariant=batch_invariant,
            )
            undo.callback(context.close)
            reuse = weights.keeps_every_token
            self._cache = SequenceCache(
                context, n_seqs=2 * n_seqs, n_cells=self.n_ctx, reuse=reuse, ordered=batch_invariant
            )
            self._reader = LazyReader(file, weights, n_ctx=self.n_ctx, threads=threads)
            self._owner = Owner(weights, context, Scheduler(context, self._cache, n_seqs=n_seqs), self._reader)
            undo.pop_all()

    def generate(self, requests: Sequence[Request | Text], **sampling: Unpack[SamplingOptions]) -> list[Completion]:
        """Answer all requests, as many at a time as there are sequences; the answers are in their order.

        Args:
            requests: requests, or just prompts (texts or tokens), which then are sampled as the rest of the arguments
                say.
            sampling: options of `Sampling`.

        Raises:
            ContextOverflow: a prompt leaves no room for an answer; nothing was evaluated.
            Cancelled: the event of a request was set.
            DeadlineExceeded: a request took longer than its `timeout`.
            EngineClosed: the engine was closed.
            ModelError: a request cannot be used, and nothing was evaluated; or llama.cpp failed. Whatever fails, the
                other requests are cancelled.
        """
        asked = [self._prepared(request, sampling) for request in as_list(requests, "requests")]
        with ExitStack() as under_way:
            answers = [under_way.enter_context(closing(self._owner.run(begin, self))) for _, begin in asked]
            return [Completion.of(length, list(answer)) for (length, _), answer in zip(asked, answers, strict=True)]

    async def agenerate(
        self, requests: Sequence[Request | Text], **sampling: Unpack[SamplingOptions]
    ) -> list[Completion]:
        """Answer as `generate` does; the event loop goes on, and a cancelled task cancels its requests."""
        asked = [self._prepared(request, sampling) for request in as_list(requests, "requests")]

        async def answer(length: int, begin: Callable[[Sink], Generation]) -> Completion:
            async with aclosing(self._owner.arun(begin, self)) as deltas:
                return Completion.of(length, [delta async for delta in deltas])

        return await gather([answer(*job) for job in asked])

    def stream(self, request: Request | Text, **sampling: Unpack[SamplingOptions]) -> Results[Delta]:
        """Answer one request, bit by bit; the last delta carries the `finish_reason`. See `generate`.

        Closing the iterator, or forgetting it, frees the sequence.
        """
        _, begin = self._prepared(request, sampling)
        return self._owner.run(begin, self)

    def astream(self, request: Request | Text, **sampling: Unpack[SamplingOptions]) -> AsyncResults[Delta]:
        """Answer as `stream` does, without blocking the event loop."""
        _, begin = self._prepared(request, sampling)
        return self._owner.arun(begin, self)

    def score_next(
        self,
        prompts: Sequence[Text],
        candidates: Sequence[str | int],
        *,
        timeout: float | None = None,
        cancelled: threading.Event | None = None,
    ) -> NDArray[np.float32]:
        """How likely each candidate is as the next token: natural log-probabilities `[n_prompts, n_candidates]`.

        Each prompt is evaluated once and nothing is generated. The probabilities are those among all tokens.

        Args:
            prompts: texts or tokens.
            candidates: token ids, or texts that are one token each; ` Yes` and `Yes` are different tokens.
            timeout: seconds from now after which it is too late; None: never.
            cancelled: may be set from any thread when nobody waits any longer; it ends with the engine's next step.

        Raises:
            Cancelled: `cancelled` was set.
            ContextOverflow: a prompt is longer than the context; nothing was evaluated.
            DeadlineExceeded: it took longer than the `timeout`.
            EngineClosed: the engine was closed.
            ModelError: a candidate is not one token, or llama.cpp failed.
        """
        tasks, shape = self._scorings(prompts, candidates, timeout, cancelled)
        with ExitStack() as under_way:
            scores = [under_way.enter_context(closing(self._owner.run(task, self))) for task in tasks]
            return _table([next(score) for score in scores], shape)

    async def ascore_next(
        self, prompts: Sequence[Text], candidates: Sequence[str | int], *, timeout: float | None = None
    ) -> NDArray[np.float32]:
        """Score as `score_next` does; the event loop goes on, and a cancelled task cancels its prompts."""
        tasks, shape = self._scorings(prompts, candidates, timeout)

        async def score(task: Callable[[Sink], Scoring]) -> Scored:
            async with aclosing(self._owner.arun(task, self)) as scores:
                return await anext(scores)

        return _table(await gather([score(task) for task in tasks]), shape)

    def attention(  # noqa: PLR0913 - all but two have a default
        self,
        documents: Sequence[Text],
        tails: Sequence[Text],
        *,
        preamble: Text = "",
        heads: Sequence[Head] | None = None,
        layers: int | None = None,
        independent: bool = False,
        cache: DocumentKV | None = None,
        timeout: float | None = None,
        cancelled: threading.Event | None = None,
    ) -> Attention:
        """How much each tail (a query, say) attends to each token of the documents before it, per layer and head.

        Documents and tails are evaluated in a context of their own, as large as the engine's, which the first call
        makes; see `check_attention`. Callers who generate wait meanwhile. Ctrl-C ends the read.

        Args:
            documents: texts or tokens; texts are only text, and so are the delimiters of the chat template in them.
            tails: each sees the preamble, all documents and itself, not the other tails.
            preamble: what stands before the documents.
            heads: which heads to read; None: all of the layers that are read.
            layers: read the first ones only, which stops the evaluation there; None: as many as `heads` need.
            independent: evaluate each document on its own after the preamble, not one after the other.
            cache: where the KV of independent documents is kept, such as `document_kv`.
            timeout: seconds from now after which it is too late; None: never.
            cancelled: may be set from any thread when nobody waits any longer, which ends the read.

        Raises:
            AttentionUnavailable: the model has none that can be read; the reason is told.
            Cancelled: `cancelled` was set.
            ContextOverflow: all this does not fit; nothing was evaluated.
            DeadlineExceeded: it took longer than the `timeout`.
            EngineClosed: the engine was closed.
            ModelError: a document or tail is empty, there are no such heads or layers, or llama.cpp failed.
        """
        deadline = Deadline(as_seconds(timeout))
        rest = {"heads": heads, "layers": layers, "independent": independent}
        reading = self._reading(documents, tails, preamble, cache, **rest)
        return _counted(self._owner.call(partial(self._reader.read, reading), self, deadline, cancelled))

    async def aattention(  # noqa: PLR0913 - all but two have a default
        self,
        documents: Sequence[Text],
        tails: Sequence[Text],
        *,
        preamble: Text = "",
        heads: Sequence[Head] | None = None,
        layers: int | None = None,
        independent: bool = False,
        cache: DocumentKV | None = None,
        timeout: float | None = None,
    ) -> Attention:
        """Read as `attention` does; the event loop goes on, and a cancelled task ends the read."""
        deadline = Deadline(as_seconds(timeout))
        rest = {"heads": heads, "layers": layers, "independent": independent}
        reading = await asyncio.to_thread(self._reading, documents, tails, preamble, cache, **rest)
        return _counted(await self._owner.acall(partial(self._reader.read, reading), self, deadline))

    def check_attention(self) -> None:
        """Find out whether there is attention to read; without this call, the first `attention` does.

        It makes the second context, which takes as much memory as the engine's, and compares what is read of a few
        tokens with what llama.cpp computes of them, layer by layer. It also sees whether a pass can be ended early.

        Raises:
            AttentionUnavailable: there is none, or the memory does not suffice.
            EngineClosed: the engine was closed.
        """
        self._owner.call(self._reader.check, self)

    @cached_property
    def document_kv(self) -> DocumentKV:
        """Documents' KV in ragloom's cache folder, shared by all engines and processes: about 2 GB at most."""
        return DocumentKV(read_settings().cache / "documents")

    def tokenize(self, text: str) -> list[int]:
        """The tokens of `text`, which is only text: `<|im_end|>` in it is eight characters or so, no control token.

        A model's user-defined tokens, such as Qwen's `<tool_call>`, are vocabulary like any other and found in it.
        """
        return self.weights.tokenize(text)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text that `tokens` stand for; control tokens stand for none."""
        return self.weights.text(tokens)

    def stats(self) -> EngineStats:
        """What the engine has done since it was made, and what it has to do."""
        return self._owner.stats()

    def forget(self) -> None:
        """Forget the prompts of requests that have ended: the next one is evaluated whole, as by a new engine.

        Whoever measures what prompts cost calls it before each. Requests under way go on.

        Raises:
            EngineClosed: the engine was closed.
        """
        self._owner.call(lambda _: self._cache.forget_idle(), self)

    def close(self) -> None:
        """Free the memory; requests under way end with `EngineClosed`. A second call does nothing."""
        self._owner.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _prepared(self, request: Request | Text, sampling: SamplingOptions) -> tuple[int, Callable[[Sink], Generation]]:
        """How long a prompt is, and what answers it. What can be refused, or takes long, the caller does here."""
        self._owner.check_alive()
        request = as_request(self.weights, request, sampling)
        prompt = prompt_tokens(self.weights, request.prompt, room=self.n_ctx - 1)
        sampler = Sampler(self.weights, request.sampling, request.grammar)
        return len(prompt), partial(Generation, self.weights, prompt, request, sampler, self.n_ctx - len(prompt))

    def _reading(
        self, documents: Sequence[Text], tails: Sequence[Text], preamble: Text, cache: DocumentKV | None, **rest: Any
    ) -> Reading:
        self._owner.check_alive()
        if cache is not None:
            _ = self.weights.digest  # of a large file takes seconds; here nobody else waits for it
        return Reading(
            [as_plain_tokens(self.weights, document, "a document") for document in as_list(documents, "documents")],
            [as_plain_tokens(self.weights, tail, "a tail") for tail in as_list(tails, "tails")],
            as_plain_tokens(self.weights, preamble, "the preamble"),
            cache=cache,
            **rest,
        )

    def _scorings(
        self,
        prompts: Sequence[Text],
        candidates: Sequence[str | int],
        timeout: float | None,
        cancelled: threading.Event | None = None,
    ) -> tuple[list[Callable[[Sink], Scoring]], tuple[int, int]]:
        """What scores each prompt, and the shape of all scores."""
        self._owner.check_alive()
        seconds = as_seconds(timeout)
        ids = np.array([candidate_token(self.weights, each) for each in as_list(candidates, "candidates")], np.intp)
        asked = [prompt_tokens(self.weights, prompt, room=self.n_ctx) for prompt in as_list(prompts, "prompts")]
        return [partial(Scoring, prompt, ids, seconds, cancelled) for prompt in asked], (len(asked), len(ids))


def _table(scored: Sequence[Scored], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The log-probabilities of all prompts, whose tokens are counted."""
    for each in scored:
        add_read(each.prompt_tokens, each.reused)
    return np.array([each.logprobs for each in scored], np.float32).reshape(shape)


def _counted(attention: Attention) -> Attention:
    """The same, whose tokens are counted."""
    add_read(attention.evaluated + attention.reused, attention.reused)
    return attention

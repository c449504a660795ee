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
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, aclosing, closing
from functools import cached_property, partial
from types import TracebackType
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray

from ...settings import read_settings
from .attention.document_kv import DocumentKV
from .attention.flash import Attention, Head
from .attention.reader import LazyReader
from .batching.context import Context
from .batching.owner import Owner
from .batching.results import AsyncResults, Results
from .batching.scheduler import Scheduler
from .batching.sequences import SequenceCache
from .batching.tasks import Generation, Scoring
from .errors import ContextOverflow, ModelError
from .models import find_model
from .requests import Completion, Delta, EngineStats, Request
from .sampling import Sampling, SamplingOptions
from .weights import Weights

_DEFAULT_CONTEXT = 8192  # tokens; what a model was trained for may be 131,072, and gigabytes of KV cache
_MOST_SEQS = 127  # llama.cpp has 256 sequences; each running one has one beside it that is kept


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
            threads: CPU threads; None: the setting `RAGLOOM_THREADS`.
            n_gpu_layers: how many layers go to the GPU; -1: all.
            batch_invariant: whatever is asked beside or was asked before, the same prompt has the same logits to the
                last bit, on the CPU. Prompts take longer: measured here 1.7 times at 500 tokens, 3 times at 2,000.

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
        with ExitStack() as undo:
            weights = Weights(file.path, n_gpu_layers=n_gpu_layers)
            undo.callback(weights.close)
            self.weights = weights
            self.n_ctx = _room(weights, n_ctx, file.name)
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
            undo.pop_all()
        reuse = weights.keeps_every_token
        cache = SequenceCache(context, n_seqs=2 * n_seqs, n_cells=self.n_ctx, reuse=reuse, ordered=batch_invariant)
        self._reader = LazyReader(weights, n_ctx=self.n_ctx, threads=threads)
        owner = Owner(weights, context, Scheduler(context, cache, n_seqs=n_seqs), self._reader)
        self._owner = owner
        weakref.finalize(self, owner.abandon).atexit = False  # at exit the owner stops itself

    def generate(
        self, requests: Sequence[Request | str | Sequence[int]], **sampling: Unpack[SamplingOptions]
    ) -> list[Completion]:
        """Answer all requests, as many at a time as there are sequences; the answers are in their order.

        Args:
            requests: requests, or just prompts (texts or tokens), which then are sampled as the rest of the arguments
                say.
            sampling: options of `Sampling`.

        Raises:
            ContextOverflow: a prompt leaves no room for an answer; nothing was evaluated.
            DeadlineExceeded: a request took longer than its `timeout`.
            EngineClosed: the engine was closed.
            ModelError: llama.cpp failed. Whatever fails, the other requests are cancelled.
        """
        _refuse_text(requests=requests)
        asked = [self._prepared(request, sampling) for request in requests]
        with ExitStack() as under_way:
            answers = [under_way.enter_context(closing(self._begin(*job))) for job in asked]
            return [Completion.of(len(job[0]), list(answer)) for job, answer in zip(asked, answers, strict=True)]

    async def agenerate(
        self, requests: Sequence[Request | str | Sequence[int]], **sampling: Unpack[SamplingOptions]
    ) -> list[Completion]:
        """Answer as `generate` does; the event loop goes on, and a cancelled task cancels its requests."""
        _refuse_text(requests=requests)
        asked = [self._prepared(request, sampling) for request in requests]

        async def answer(prompt: list[int], request: Request) -> Completion:
            async with aclosing(self._abegin(prompt, request)) as deltas:
                return Completion.of(len(prompt), [delta async for delta in deltas])

        tasks = [asyncio.ensure_future(answer(*job)) for job in asked]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stream(self, request: Request | str | Sequence[int], **sampling: Unpack[SamplingOptions]) -> Results[Delta]:
        """Answer one request, bit by bit; the last delta carries the `finish_reason`. See `generate`.

        Closing the iterator, or forgetting it, frees the sequence.
        """
        return self._begin(*self._prepared(request, sampling))

    def astream(
        self, request: Request | str | Sequence[int], **sampling: Unpack[SamplingOptions]
    ) -> AsyncResults[Delta]:
        """Answer as `stream` does, without blocking the event loop."""
        return self._abegin(*self._prepared(request, sampling))

    def score_next(
        self, prompts: Sequence[str | Sequence[int]], candidates: Sequence[str | int]
    ) -> NDArray[np.float32]:
        """How likely each candidate is as the next token: natural log-probabilities `[n_prompts, n_candidates]`.

        Each prompt is evaluated once and nothing is generated. The probabilities are those among all tokens.

        Args:
            prompts: texts or tokens.
            candidates: token ids, or texts that are one token each; ` Yes` and `Yes` are different tokens.

        Raises:
            ContextOverflow: a prompt is longer than the context; nothing was evaluated.
            EngineClosed: the engine was closed.
            ModelError: a candidate is not one token, or llama.cpp failed.
        """
        self._owner.check_alive()
        _refuse_text(prompts=prompts, candidates=candidates)
        ids = np.array([self._candidate(candidate) for candidate in candidates], np.intp)
        asked = [self._fitting(self._tokens(prompt), answer=0) for prompt in prompts]
        with ExitStack() as under_way:
            scores = [
                under_way.enter_context(closing(self._owner.run(partial(Scoring, prompt, ids), self)))
                for prompt in asked
            ]
            rows = [next(score) for score in scores]
        return np.array(rows, np.float32).reshape(len(asked), len(ids))

    async def ascore_next(
        self, prompts: Sequence[str | Sequence[int]], candidates: Sequence[str | int]
    ) -> NDArray[np.float32]:
        """Score as `score_next` does, without blocking the event loop."""
        return await asyncio.to_thread(self.score_next, prompts, candidates)

    def attention(  # noqa: PLR0913 - all but two have a default
        self,
        documents: Sequence[str | Sequence[int]],
        tails: Sequence[str | Sequence[int]],
        *,
        preamble: str | Sequence[int] = "",
        heads: Sequence[Head] | None = None,
        layers: int | None = None,
        independent: bool = False,
        cache: DocumentKV | None = None,
    ) -> Attention:
        """How much each tail (a query, say) attends to each token of the documents before it, per layer and head.

        Documents and tails are evaluated in a context of their own, which is made on first use and is as large as the
        engine's; callers who generate wait meanwhile. See `rag.llm.attention.reader.Reader.read`.

        Args:
            documents: texts or tokens; texts are only text.
            tails: each sees the preamble, all documents and itself, not the other tails.
            preamble: what stands before the documents.
            heads: which heads to read; None: all of the layers that are read.
            layers: read the first ones only, which stops the evaluation there; None: as many as `heads` need.
            independent: evaluate each document on its own after the preamble, not one after the other.
            cache: where the KV of independent documents is kept, such as `document_kv`.

        Raises:
            AttentionUnavailable: the model has none that can be read; the reason is told.
            ContextOverflow: all this does not fit; nothing was evaluated.
            EngineClosed: the engine was closed.
            ModelError: a document or tail is empty, there are no such heads or layers, or llama.cpp failed.
        """
        read = partial(
            self._reader.read,
            [self._tokens(document) for document in documents],
            [self._tokens(tail) for tail in tails],
            preamble=self._tokens(preamble) if preamble else [],
            heads=heads,
            layers=layers,
            independent=independent,
            cache=cache,
        )
        return self._owner.call(read)

    def check_attention(self) -> None:
        """Find out whether there is attention to read, which takes a second context.

        Raises:
            AttentionUnavailable: there is none, or the memory does not suffice.
            EngineClosed: the engine was closed.
        """
        self._owner.call(self._reader.check)

    @cached_property
    def document_kv(self) -> DocumentKV:
        """Documents' KV in ragloom's cache folder, shared by all engines and processes: at most 2 GB."""
        return DocumentKV(read_settings().cache / "documents")

    def tokenize(self, text: str) -> list[int]:
        """The tokens of `text`, which is only text: `<|im_end|>` in it is eight characters or so, no control token."""
        return self.weights.tokenize(text)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text that `tokens` stand for; control tokens stand for none."""
        return b"".join(map(self.weights.piece, tokens)).decode("utf-8", "replace")

    def stats(self) -> EngineStats:
        """What the engine has done since it was made, and what it has to do."""
        return self._owner.stats()

    def close(self) -> None:
        """Free the memory; requests under way end with `EngineClosed`. A second call does nothing."""
        self._owner.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _prepared(self, request: Request | str | Sequence[int], sampling: SamplingOptions) -> tuple[list[int], Request]:
        self._owner.check_alive()
        if not isinstance(request, Request):
            request = Request(request, Sampling.of(sampling))
        elif sampling:
            raise ModelError(f"a Request has its own sampling; give it {', '.join(sampling)} there")
        if strange := [token for token, _ in request.sampling.logit_bias if token >= self.weights.n_vocab]:
            raise ModelError(f"logit_bias names token {strange[0]}; they go from 0 to {self.weights.n_vocab - 1}")
        if request.top_logprobs is not None and not 0 <= request.top_logprobs <= self.weights.n_vocab:
            raise ModelError(f"top_logprobs should be from 0 to {self.weights.n_vocab}, not {request.top_logprobs}")
        return self._fitting(self._tokens(request.prompt), answer=1), request

    def _begin(self, prompt: list[int], request: Request) -> Results[Delta]:
        return self._owner.run(partial(Generation, self.weights, prompt, request, self.n_ctx - len(prompt)), self)

    def _abegin(self, prompt: list[int], request: Request) -> AsyncResults[Delta]:
        return self._owner.arun(partial(Generation, self.weights, prompt, request, self.n_ctx - len(prompt)), self)

    def _tokens(self, prompt: str | Sequence[int]) -> list[int]:
        tokens = self.tokenize(prompt) if isinstance(prompt, str) else list(prompt)
        if not tokens:
            raise ModelError("there is nothing to continue: the prompt is empty")
        if unknown := [token for token in tokens if not 0 <= token < self.weights.n_vocab]:
            raise ModelError(f"the model has no token {unknown[0]}; they go from 0 to {self.weights.n_vocab - 1}")
        return tokens

    def _fitting(self, prompt: list[int], *, answer: int) -> list[int]:
        if len(prompt) + answer > self.n_ctx:
            raise ContextOverflow(len(prompt), self.n_ctx - answer)
        return prompt

    def _candidate(self, candidate: str | int) -> int:
        tokens = self._tokens([candidate] if isinstance(candidate, int) else self.weights.tokenize_within(candidate))
        if len(tokens) > 1:
            pieces = [self.detokenize([token]) for token in tokens]
            raise ModelError(f"{candidate!r} is {len(tokens)} tokens, {pieces}; a candidate is a single one")
        return tokens[0]


def _refuse_text(**lists: object) -> None:
    """A text is a sequence too: of its characters."""
    for name, given in lists.items():
        if isinstance(given, str):
            raise ModelError(f"{name} should be a list, not the text {given!r:.80}")


def _room(weights: Weights, n_ctx: int | None, name: str) -> int:
    trained = weights.trained_context
    if n_ctx is not None and n_ctx < 1:
        raise ModelError(f"n_ctx should be at least 1, not {n_ctx}")
    if n_ctx is not None and n_ctx > trained:
        raise ModelError(f"n_ctx={n_ctx} is more than the {trained} tokens that {name} was trained for")
    return n_ctx or min(trained, _DEFAULT_CONTEXT)

"""One sequence in llama.cpp: a prompt goes in, tokens come out.

Every answer starts from an empty KV cache. Reusing the part of a prompt that is already there would be faster, but the
last bits of the logits depend on how the prompt was cut into batches, so the same question could get another
answer at temperature 0, depending on what was asked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import llama_cpp

from .constraint import constrained
from .errors import ModelError
from .logs import collect_errors, reason
from .sampling import Sampling
from .weights import Weights

_BATCH = 512  # tokens evaluated at once; 1,000 tokens took 2.4 s here at 512 and 1,024, 2.8 s at 128


class Context:
    """The KV cache and the evaluation of one sequence. For one thread only."""

    def __init__(self, weights: Weights, *, n_ctx: int, threads: int) -> None:
        """Reserve room for `n_ctx` tokens, prompt and answer together.

        Raises:
            ModelError: the memory does not suffice, or the model cannot generate.
        """
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = min(_BATCH, n_ctx)
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO
        with collect_errors() as errors:
            pointer = llama_cpp.llama_init_from_model(weights.pointer, params)
        if not pointer:
            raise ModelError(f"cannot make a context of {n_ctx} tokens for {weights.path.name}: {reason(errors)}")
        self.n_ctx = n_ctx
        self._weights = weights
        self._pointer = pointer
        self._memory = llama_cpp.llama_get_memory(pointer)

    def generate(
        self, prompt: Sequence[int], sampling: Sampling, cancelled: Callable[[], bool], grammar: str = ""
    ) -> Iterator[int]:
        """Answer `prompt`, token by token, until the model ends, `max_tokens`, a full context or `cancelled()`.

        Where there is a `grammar`, the model can end only where that does.

        Raises:
            ModelError: llama.cpp could not evaluate a batch, or cannot use the grammar.
        """
        room = self.n_ctx - len(prompt)
        limit = room if sampling.max_tokens is None else min(room, sampling.max_tokens)
        if self._memory:
            llama_cpp.llama_memory_clear(self._memory, False)
        for start in range(0, len(prompt), _BATCH):
            if cancelled():
                return
            self._evaluate(prompt[start : start + _BATCH])
        held = constrained(self._weights, grammar) if grammar else nullcontext()
        with _sampler(sampling) as sampler, held as constraint:
            for left in range(limit - 1, -1, -1):
                if constraint is None:
                    token = llama_cpp.llama_sampler_sample(sampler, self._pointer, -1)
                else:
                    token = constraint.draw(sampler, self._pointer)
                if self._weights.is_end(token):
                    return
                yield token
                if cancelled() or not left:
                    return
                self._evaluate([token])

    def _evaluate(self, tokens: Sequence[int]) -> None:
        batch = (llama_cpp.llama_token * len(tokens))(*tokens)
        code = llama_cpp.llama_decode(self._pointer, llama_cpp.llama_batch_get_one(batch, len(tokens)))
        if code:
            raise ModelError(f"llama.cpp could not evaluate {len(tokens)} tokens (code {code}); try a smaller n_ctx")

    def close(self) -> None:
        """Free the memory. Call it once, before the weights are closed."""
        llama_cpp.llama_free(self._pointer)


@contextmanager
def _sampler(sampling: Sampling) -> Iterator[llama_cpp.llama_sampler_p]:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    if sampling.temperature == 0:
        steps = [llama_cpp.llama_sampler_init_greedy()]
    else:
        seed = llama_cpp.LLAMA_DEFAULT_SEED if sampling.seed is None else sampling.seed
        steps = [
            llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
            llama_cpp.llama_sampler_init_temp(sampling.temperature),
            llama_cpp.llama_sampler_init_dist(seed),
        ]
    for step in steps:
        llama_cpp.llama_sampler_chain_add(chain, step)  # the chain owns the step from here on
    try:
        yield chain
    finally:
        llama_cpp.llama_sampler_free(chain)

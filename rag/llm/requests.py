"""What is asked of the engine, and what it answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .sampling import Sampling

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be continued.

    Attributes:
        prompt: a text, or its tokens. A text is only text: no control token is made of it, and none is added.
        sampling: how tokens are chosen and when the answer ends.
        grammar: in llama.cpp's GBNF; the answer cannot leave it. See `rag.llm.grammar` for JSON.
        top_logprobs: tell each token's log-probability, and those of so many likeliest ones; None: tell nothing.
        timeout: seconds from now after which the request fails; None: never.
        cancelled: may be set from any thread when nobody waits any longer, which ends the request.
    """

    prompt: str | Sequence[int]
    sampling: Sampling = Sampling()  # noqa: RUF009 - frozen
    grammar: str = ""
    top_logprobs: int | None = None
    timeout: float | None = None
    cancelled: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer and how likely it was.

    Attributes:
        token: its id.
        piece: the bytes it stands for; characters may spread over several tokens.
        logprob: the natural logarithm of its probability, before temperature and the other samplers.
        top: the likeliest tokens at this place, likeliest first; their own `top` is empty.
    """

    token: int
    piece: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """The next bit of an answer.

    Attributes:
        text: what is new, empty where the token completes no character.
        tokens: tokens generated so far.
        logprob: of the token that this bit is, if asked for.
        finish_reason: on the last delta, whether the model or a stop string ended the answer, or a limit did.
        reused: on the last delta, how many of the prompt's tokens were there already and not evaluated again.
    """

    text: str
    tokens: int
    logprob: TokenLogprob | None = None
    finish_reason: FinishReason | None = None
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer.

    Attributes:
        text: what the model wrote, without the stop string.
        tokens: how many tokens it generated; the one by which the model says that it is done does not count.
        finish_reason: whether the model or a stop string ended the answer, or a limit did.
        prompt_tokens: length of the prompt.
        reused: how many of the prompt's tokens were there already and not evaluated again.
        logprobs: a value per token, if asked for.
    """

    text: str
    tokens: int
    finish_reason: FinishReason
    prompt_tokens: int
    reused: int
    logprobs: tuple[TokenLogprob, ...] = ()

    @classmethod
    def of(cls, prompt_tokens: int, deltas: Sequence[Delta]) -> Completion:
        """Join the deltas of an answer that has ended."""
        last = deltas[-1]
        return cls(
            text="".join(delta.text for delta in deltas),
            tokens=last.tokens,
            finish_reason=last.finish_reason or "stop",
            prompt_tokens=prompt_tokens,
            reused=last.reused,
            logprobs=tuple(delta.logprob for delta in deltas if delta.logprob),
        )


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has done since it was made, and what it has to do.

    Attributes:
        prefilled: prompt tokens evaluated, and answer tokens evaluated again where an answer had to give its place to
            others for a while.
        decoded: answer tokens generated.
        reused: prompt tokens that were there already, from an earlier request or one beside.
        steps: calls of llama.cpp; tokens per step show how well requests share them.
        running: requests under way.
        waiting: requests that wait for a sequence or for room in the context.
        cells: places of the KV cache in use, of `n_ctx`; what nobody needs any more is kept until its place is needed.
    """

    prefilled: int = 0
    decoded: int = 0
    reused: int = 0
    steps: int = 0
    running: int = 0
    waiting: int = 0
    cells: int = 0

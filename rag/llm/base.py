"""What every LLM of ragloom can do, whether it runs in this process or behind a URL."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from numpy.typing import NDArray
from pydantic import BeforeValidator

if TYPE_CHECKING:
    from .engine import LlamaEngine


class LastingOptions(BaseChatModel):
    """Tells LangChain's caches and callbacks only those options of a call that say what is answered."""

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        kwargs.pop("cancelled", None)
        return super()._get_invocation_params(stop, **kwargs)

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        kwargs.pop("cancelled", None)
        return super()._get_llm_string(stop, **kwargs)


class ChatModel(BaseChatModel):
    """A LangChain chat model that also knows its context, counts tokens and can be closed.

    Each takes two options of a call that others do not: `cancelled`, an event that may be set from any thread when
    nobody waits any longer, which ends the call with `Cancelled`; and `thinking=False`, for an answer without a thought
    before it, which servers do not heed.

    ```python
    from ragloom import load

    with load("embedded", n_ctx=2048) as llm:
        print(llm.context_size, llm.count_tokens("Toad steals a motor-car."))  # -> 2048 9
    ```
    """

    @property
    def gives(self) -> frozenset[str]:
        """What a node of a graph may look into.

        `logprobs` by `score_next`, `logits` by `score_next` with a `prefix`, and `attention`.
        """
        return frozenset()

    @property
    def obeys_thinking(self) -> bool:
        """Whether `thinking=False` leaves no thought to begin in the prompt."""
        return True

    @property
    @abstractmethod
    def context_size(self) -> int:
        """Room for prompt and answer together, in tokens."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """How many tokens `text` is."""

    def spellings(self, word: str) -> list[str]:
        """How the next token may spell a word: in three cases, with and without a blank before it.

        ```python
        from ragloom import load

        with load("embedded", n_ctx=512) as llm:
            print(llm.spellings("yes"))  # -> ['yes', 'Yes', ' yes', ' Yes']
        ```

        Returns:
            What is one token of the model, each token once; where only a server knows its tokens, all six.
        """
        cases = (word.lower(), word.capitalize(), word.upper())
        return [f"{before}{case}" for before in ("", " ") for case in cases]

    @property
    @abstractmethod
    def engine(self) -> LlamaEngine:
        """What evaluates the model, and can read its attention.

        Raises:
            AttentionUnavailable: the model is behind a URL, where nobody sees inside it.
        """

    @abstractmethod
    def score_next(
        self,
        conversations: Sequence[Sequence[BaseMessage]],
        candidates: Sequence[str],
        *,
        prefix: str = "",
        cancelled: threading.Event | None = None,
    ) -> NDArray[np.float32]:
        """How likely each candidate is as the next token of the assistant's answer, which is not generated.

        ```python
        from langchain_core.messages import HumanMessage
        from ragloom import load

        with load("embedded", n_ctx=512) as llm:
            asked = [HumanMessage("Is snow cold? Answer Yes or No.")], [HumanMessage("Is fire cold? Answer Yes or No.")]
            scores = llm.score_next(asked, ["Yes", "No"])
            print(scores.shape, bool((scores < 0).all()))  # -> (2, 2) True
        ```

        Args:
            conversations: the messages before the answer, of each prompt.
            candidates: texts that are one token each; ` Yes` and `Yes` are different tokens.
            prefix: what the answer already begins with, such as FIRST's `[`; it is text, never a control token.
            cancelled: may be set from any thread when nobody waits any longer, which ends it.

        Returns:
            Natural log-probabilities among all tokens, `[n_conversations, n_candidates]`. A server tells those of its
            20 likeliest tokens only; there a candidate that is not among them gets `-inf`.

        Raises:
            Cancelled: `cancelled` was set.
            ContextOverflow: a prompt is longer than the context; nothing was evaluated.
            DeadlineExceeded: it took longer than the model's `timeout`.
            ModelError: a candidate is not one token, or a server cannot tell log-probabilities or take a `prefix`.
        """

    @abstractmethod
    async def ascore_next(
        self, conversations: Sequence[Sequence[BaseMessage]], candidates: Sequence[str], *, prefix: str = ""
    ) -> NDArray[np.float32]:
        """Score as `score_next` does; the event loop goes on, and a cancelled task ends what it asked for."""

    def score_next_bounded(
        self,
        conversations: Sequence[Sequence[BaseMessage]],
        candidates: Sequence[str],
        *,
        cancelled: threading.Event | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score as `score_next` does, and say what a candidate with `-inf` has at most, in each conversation.

        Returns:
            Log-probabilities `[n_conversations, n_candidates]`, and bounds `[n_conversations]`: of a server the least
            log-probability that it told; 0, which says nothing, where all candidates are told.
        """
        scores = self.score_next(conversations, candidates, cancelled=cancelled)
        return scores, np.zeros(len(scores), np.float32)

    def forget(self) -> None:
        """Forget the prompts of calls that have ended, so that the next one costs what it would cost first.

        What a server remembers, it does: only models in this process forget.

        Raises:
            EngineClosed: the model was closed.
        """
        if "attention" in self.gives:
            self.engine.forget()

    @abstractmethod
    def close(self) -> None:
        """Free what the model holds in this process; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _as_own(llm: object) -> object:
    if isinstance(llm, ChatModel):
        return llm
    raise ValueError(
        f"a {type(llm).__name__} does not tell how likely a token is, or what it attends to; "
        "load the model with ragloom.load: a GGUF file, or the URL of an OpenAI-compatible server"
    )


OwnModel = Annotated[ChatModel, BeforeValidator(_as_own)]
"""The LLM of a component that looks into it, which only ragloom's own models allow."""

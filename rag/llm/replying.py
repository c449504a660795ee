"""Several replies at the same time, which can all be ended.

The engine evaluates together whatever is asked at the same time, and what prompts begin with in common only once. So
whoever has a question for each of several documents asks from as many threads, and each thread may go on with its own
next question as soon as its reply is there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables.config import ContextThreadPoolExecutor, RunnableConfig
from langgraph.constants import TAG_NOSTREAM

from .base import ChatModel
from .errors import Cancelled, DeadlineExceeded, ModelError
from .inert import as_text
from .thinking import after_thinking
from .waiting import Ended, until

_log = logging.getLogger(__name__)

AT_ONCE = 16
"""How many are asked at the same time: as many as an engine answers in one batch, unless it is told otherwise."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reply:
    """What an LLM wrote.

    Attributes:
        text: without white space around it; empty if it wrote nothing.
        usage: `input_tokens` and `output_tokens`; empty where the LLM does not tell.
    """

    text: str
    usage: Mapping[str, int] = field(default_factory=dict)


def reply(
    llm: BaseChatModel,
    messages: Sequence[BaseMessage],
    *,
    max_tokens: int,
    stop: Sequence[str] | None = None,
    cancelled: threading.Event | None = None,
    is_shown: bool = False,
    **options: Any,
) -> Reply:
    """Let an LLM reply, without a thought before it.

    A model of this machine ends with its next step when nobody waits any longer; what a server or another's model does
    then nobody waits for. A model of this machine that would think first begins with the answer; of others' replies the
    thought is taken away, and where that is all, a warning is logged.

    Args:
        llm: any LangChain chat model.
        messages: what it replies to.
        max_tokens: where the reply is cut off; a model that has no option of that name is asked without.
        stop: texts that end the reply.
        cancelled: may be set from any thread when nobody waits any longer, which ends the reply.
        is_shown: whether who follows a graph sees the reply grow; else it is a step on the way to an answer.
        options: for ragloom's own models, such as `temperature`, `seed` and `timeout`; others have their own.

    Raises:
        Cancelled: `cancelled` was set.
        ModelError: the model failed, or was too late; or it is no chat model.
    """
    ended = cancelled or threading.Event()
    if ended.is_set():
        raise Cancelled
    config = RunnableConfig(tags=[] if is_shown else [TAG_NOSTREAM])
    asked, stops = list(messages), None if stop is None else list(stop)
    parts: Iterator[AIMessage]
    if not isinstance(llm, BaseChatModel):
        raise ModelError(f"an LLM is a LangChain chat model, not {type(llm).__name__}")
    if isinstance(llm, ChatModel):
        own = {**options, "max_tokens": max_tokens, "cancelled": ended, "thinking": False}
        parts = llm.stream(asked, config, stop=stops, **own)
    else:
        limit = {"max_tokens": max_tokens} if hasattr(llm, "max_tokens") else {}
        parts = until(ended, lambda: [llm.invoke(as_text(asked), config, stop=stops, **limit)])
    text, usage = "", {}
    for part in parts:
        text += part.text
        if part.usage_metadata:
            usage = {name: part.usage_metadata[name] for name in ("input_tokens", "output_tokens")}
    answer = after_thinking(text, begun=not (isinstance(llm, ChatModel) and llm.obeys_thinking))
    if text.strip() and not answer:
        _log.warning("the LLM only thought, for %d characters; switch that off, or allow it more tokens", len(text))
    return Reply(answer, usage)


def at_once(
    do: Callable[[Item, threading.Event], Result],
    items: Sequence[Item],
    *,
    cancelled: threading.Event | None = None,
    timeout: float | None = None,
) -> list[Result]:
    """Do the same with each item, with several of them at a time; the results are in the items' order.

    ```python
    from ragloom.rag.llm.replying import at_once

    print(at_once(lambda word, cancelled: word.upper(), ["toad", "mole"]))  # -> ['TOAD', 'MOLE']
    ```

    Args:
        do: is given an item, and an event that is set as soon as nobody waits for the result any longer; it should
            end then.
        items: what it is done with.
        cancelled: may be set from any thread when nobody waits any longer.
        timeout: seconds from now after which it is too late for all; None: never.

    Raises:
        DeadlineExceeded: it took longer than the `timeout`.
        Exception: what `do` raised first; the others are ended.
    """
    if not items:
        return []
    ended = Ended(cancelled)

    def begun(item: Item) -> Result:
        if ended.is_set():
            raise Cancelled
        return do(item, ended)

    with ContextThreadPoolExecutor(max_workers=min(len(items), AT_ONCE)) as pool:
        futures = [pool.submit(begun, item) for item in items]
        try:
            done, late = wait(futures, timeout, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            if late and timeout is not None:
                raise DeadlineExceeded(timeout)
            return [future.result() for future in futures]
        except BaseException:
            ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise

"""Several replies at the same time, which can all be ended.

The engine evaluates together whatever is asked at the same time, and what prompts begin with in common only once. So
whoever has a question for each of several documents asks from as many threads, and each thread may go on with its own
next question as soon as its reply is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables.config import ContextThreadPoolExecutor, RunnableConfig
from langgraph.constants import TAG_NOSTREAM

from .base import ChatModel
from .errors import Cancelled

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
    cancelled: threading.Event | None = None,
) -> Reply:
    """Let an LLM reply; nobody else sees the reply grow, for it is a step on the way to an answer.

    A reply of ragloom's own models can be ended at any token; another one's is waited for.

    Args:
        llm: any LangChain chat model.
        messages: what it replies to.
        max_tokens: where the reply is cut off.
        cancelled: may be set from any thread when nobody waits any longer, which ends the reply.

    Raises:
        Cancelled: `cancelled` was set.
        ModelError: the model failed, or was too late.
    """
    if cancelled is not None and cancelled.is_set():
        raise Cancelled
    text, usage = "", {}
    with closing(_parts(llm, list(messages), max_tokens)) as parts:
        for part in parts:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            text += part.text
            if part.usage_metadata:
                usage = {name: part.usage_metadata[name] for name in ("input_tokens", "output_tokens")}
    return Reply(text.strip(), usage)


def _parts(llm: BaseChatModel, messages: list[BaseMessage], max_tokens: int) -> Generator[AIMessage, None, None]:
    config = RunnableConfig(tags=[TAG_NOSTREAM])
    if isinstance(llm, ChatModel):
        yield from llm.stream(messages, config, max_tokens=max_tokens)
    else:
        yield llm.invoke(messages, config, max_tokens=max_tokens)


def at_once(
    do: Callable[[Item, threading.Event], Result],
    items: Sequence[Item],
    *,
    cancelled: threading.Event | None = None,
) -> list[Result]:
    """Do the same with each item, with several of them at a time; the results are in the items' order.

    ```python
    from ragloom.rag.llm.replying import at_once

    print(at_once(lambda word, cancelled: word.upper(), ["toad", "mole"]))  # -> ['TOAD', 'MOLE']
    ```

    Args:
        do: is given an item, and an event that is set as soon as nobody waits for the result any longer.
        items: what it is done with.
        cancelled: that event, where the caller has one; it is set when one of the items fails.

    Raises:
        Exception: what `do` raised first; the others are ended.
    """
    if not items:
        return []
    ended = cancelled or threading.Event()

    def begun(item: Item) -> Result:
        if ended.is_set():
            raise Cancelled
        return do(item, ended)

    with ContextThreadPoolExecutor(max_workers=min(len(items), AT_ONCE)) as pool:
        futures = [pool.submit(begun, item) for item in items]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise

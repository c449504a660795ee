"""Several answers to one prompt, asked for at once, so that a model on this machine writes them in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableParallel

from .base import ChatModel


def several(
    llm: BaseChatModel, prompt: Sequence[BaseMessage], number: int, *, seed: int = 0, **options: Any
) -> list[str]:
    """Ask `llm` the same so many times; the answers' texts, in the order of their seeds.

    ```python
    from langchain_core.messages import HumanMessage
    from ragloom import load
    from ragloom.rag.llm.several import several

    with load("embedded", n_ctx=512) as llm:
        print(len(several(llm, [HumanMessage("Name a colour.")], 3, temperature=0.7, max_tokens=8)))  # -> 3
    ```

    Args:
        llm: any LangChain chat model.
        prompt: the messages.
        number: how many answers.
        seed: of the first answer; each further one has the next.
        options: of each answer, such as `temperature` and `timeout`. Models that are not ragloom's know other options,
            so they are asked as they are.
    """
    asked: RunnableParallel[Any] = RunnableParallel(
        {str(at): each for at, each in enumerate(_seeded(llm, number, seed, options))}
    )
    answers: dict[str, AIMessage] = asked.invoke(list(prompt), {"max_concurrency": number})
    return [answers[str(at)].text for at in range(number)]


async def aseveral(
    llm: BaseChatModel, prompt: Sequence[BaseMessage], number: int, *, seed: int = 0, **options: Any
) -> list[str]:
    """Ask as `several` does; the event loop goes on, and a cancelled task ends what it asked for."""
    from .batching.results import gather

    messages = list(prompt)
    answers = await gather([_asked(each, messages) for each in _seeded(llm, number, seed, options)])
    return [answer.text for answer in answers]


async def _asked(llm: Runnable[Any, AIMessage], prompt: list[BaseMessage]) -> AIMessage:
    return await llm.ainvoke(prompt)


def _seeded(llm: BaseChatModel, number: int, seed: int, options: dict[str, Any]) -> list[Runnable[Any, AIMessage]]:
    if not isinstance(llm, ChatModel):
        return [llm] * number
    return [llm.bind(**options, seed=seed + turn) for turn in range(number)]

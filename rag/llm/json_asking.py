"""Asking any LangChain chat model for JSON of a schema, as well as it can be held to that."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .thinking import after_thinking

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage


def ask_json(
    llm: BaseChatModel,
    prompt: Sequence[BaseMessage],
    schema: dict[str, Any],
    *,
    max_tokens: int,
    cancelled: threading.Event | None = None,
) -> Any:
    """Let the LLM answer in JSON: ragloom's own cannot leave the schema, others have their `with_structured_output`.

    Args:
        llm: any LangChain chat model; one without structured output is trusted to answer in JSON, after
            its thoughts.
        prompt: the messages; they should say what the schema's keys mean.
        schema: a JSON Schema with a `title`.
        max_tokens: where an answer of ragloom's own is cut off.
        cancelled: may be set from any thread when nobody waits any longer, which ends it.

    Raises:
        Cancelled: `cancelled` was set.
        OutputParserException: the answer is no JSON, or was cut off.
    """
    from langchain_core.output_parsers import JsonOutputParser
    from langchain_core.runnables import RunnableConfig
    from langgraph.constants import TAG_NOSTREAM

    from .base import ChatModel
    from .inert import as_text
    from .waiting import until

    config = RunnableConfig(tags=[TAG_NOSTREAM])  # for the program, not for whoever follows a graph
    if isinstance(llm, ChatModel):
        structured = llm.with_structured_output(schema, method="json_schema")
        return structured.invoke(list(prompt), config, max_tokens=max_tokens, cancelled=cancelled, thinking=False)
    options: dict[str, Any] = {}
    try:
        asked = llm.with_structured_output(schema)
    except NotImplementedError:
        asked, options = llm | _said | JsonOutputParser(), {"max_tokens": max_tokens}
    (answer,) = until(cancelled, lambda: [asked.invoke(as_text(prompt), config, **options)])
    return answer


def _said(message: AIMessage) -> str:
    return after_thinking(message.text)

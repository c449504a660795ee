"""Asking any LangChain chat model for JSON of a schema, as well as it can be held to that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


def ask_json(llm: BaseChatModel, prompt: Sequence[BaseMessage], schema: dict[str, Any], *, max_tokens: int) -> Any:
    """Let the LLM answer in JSON: ragloom's own cannot leave the schema, others have their `with_structured_output`.

    Args:
        llm: any LangChain chat model; one without structured output is trusted to answer in JSON.
        prompt: the messages; they should say what the schema's keys mean.
        schema: a JSON Schema with a `title`.
        max_tokens: where an answer of ragloom's own is cut off.

    Raises:
        OutputParserException: the answer is no JSON, or was cut off.
    """
    from langchain_core.exceptions import OutputParserException
    from langchain_core.output_parsers import JsonOutputParser

    from .base import ChatModel
    from .errors import AnswerCutOff

    if isinstance(llm, ChatModel):
        structured = llm.with_structured_output(schema, method="json_schema")
        try:
            return structured.invoke(list(prompt), max_tokens=max_tokens)
        except AnswerCutOff as error:
            raise OutputParserException(str(error)) from error
    try:
        structured = llm.with_structured_output(schema)
    except NotImplementedError:
        return (llm | JsonOutputParser()).invoke(list(prompt), max_tokens=max_tokens)
    return structured.invoke(list(prompt))

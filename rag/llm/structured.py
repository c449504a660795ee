"""An answer as a value: a JSON Schema goes in, what fits it comes out.

The local model is held to the schema by a grammar (`rag.llm.grammar`); this is LangChain's side of it.
"""

from __future__ import annotations

import json
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

from ..._explain import unknown
from .errors import ModelError

METHODS = ("json_schema", "function_calling", "json_mode")
"""LangChain's names. A grammar does what the first two ask for, JSON that fits; the third is any JSON object."""


def response_format(schema: dict[str, Any], method: str) -> dict[str, Any]:
    """OpenAI's option for a JSON Schema.

    Raises:
        ModelError: there is no such method.
    """
    if method not in METHODS:
        raise ModelError(unknown("method", method, METHODS))
    if method == "json_mode":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": str(schema.get("title", "answer")), "schema": schema}}


def json_schema(schema: dict[str, Any] | type) -> dict[str, Any]:
    """A schema, a pydantic model or a `TypedDict` as JSON Schema; LangChain insists on a title, ragloom does not."""
    if isinstance(schema, dict) and not {"title", "function", "parameters"} & schema.keys():
        return schema
    return convert_to_json_schema(schema)


def structured(
    llm: Runnable[Any, AIMessage], schema: dict[str, Any] | type, *, include_raw: bool
) -> Runnable[Any, Any]:
    """Let `llm` give values instead of messages; with `include_raw`, LangChain's `raw`, `parsed`, `parsing_error`."""
    parse: Runnable[AIMessage, Any] = RunnableLambda(lambda message: _parse(message, schema))
    if not include_raw:
        return llm | parse
    parsed = RunnablePassthrough.assign(parsed=(lambda given: given["raw"]) | parse, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _parse(message: AIMessage, schema: dict[str, Any] | type) -> Any:
    value = _read(message)
    if not (isinstance(schema, type) and is_basemodel_subclass(schema)):
        return value
    take = getattr(schema, "model_validate" if issubclass(schema, BaseModel) else "parse_obj")  # which is pydantic 1's
    try:
        return take(value)
    except ValueError as error:  # pydantic's ValidationError is one, in both of its versions
        raise OutputParserException(
            f"{schema.__name__} refuses the answer: {error}", llm_output=message.text
        ) from error


def _read(message: AIMessage) -> Any:
    """The JSON of an answer. A number may be cut off and still be one; all other JSON is whole or none."""
    cut_off = message.response_metadata.get("finish_reason") == "length"
    try:
        value = json.loads(message.text)
    except ValueError as error:
        if not cut_off:
            raise OutputParserException(f"the answer is no JSON: {message.text!r:.80}") from error
    else:
        if not (cut_off and type(value) in (int, float)):
            return value
    raise OutputParserException(
        f"the answer was cut off before its JSON was whole: {message.text!r:.80}; allow more with max_tokens"
    )

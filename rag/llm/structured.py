"""An answer as a value: a JSON Schema goes in, what fits it comes out.

The local model is held to the schema by a grammar (`rag.llm.grammar`); this is LangChain's side of it.
"""

from __future__ import annotations

import json
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

from ..._explain import short, unknown
from .errors import ModelError

METHODS = ("json_schema", "function_calling", "json_mode")
"""LangChain's names. A grammar does what the first two ask for, JSON that fits; the third is any JSON object."""


def format_of(schema: dict[str, Any], method: str) -> dict[str, Any]:
    """OpenAI's option `response_format` for a JSON Schema.

    Raises:
        ModelError: there is no such method.
    """
    if method not in METHODS:
        raise ModelError(unknown("method", method, METHODS))
    if method == "json_mode":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": str(schema.get("title", "answer")), "schema": schema}}


def as_schema(given: dict[str, Any] | type) -> dict[str, Any]:
    """What answers have to fit as JSON Schema: one is left as it is; models, `TypedDict`s and tools are converted.

    ```python
    from ragloom.rag.llm.structured import as_schema

    print(as_schema({"title": "Colour", "enum": ["red", "blue"]}))  # -> {'title': 'Colour', 'enum': ['red', 'blue']}
    print(as_schema({"name": "f", "parameters": {"type": "object"}}))  # -> {'title': 'f', 'type': 'object'}
    ```

    Raises:
        ModelError: it is none of these.
    """
    if isinstance(given, dict) and not _is_tool(given):
        return given
    try:
        return convert_to_json_schema(given)
    except KeyError as error:
        raise ModelError(f"{short(given)} is no schema: it has no {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        problem = str(error).strip().partition("\n")[0]
        raise ModelError(f"{short(given)} is no schema: {problem}") from error


def _is_tool(given: dict[str, Any]) -> bool:
    """Whether this is a tool as OpenAI, Anthropic or Amazon write it."""
    match given:
        case {"type": "function"} | {"toolSpec": _}:
            return True
        case {"name": str(), "parameters": _} | {"name": str(), "input_schema": _}:
            return not given.keys() & {"type", "properties"}
    return False


def structured(
    llm: Runnable[Any, AIMessage], schema: dict[str, Any] | type, *, include_raw: bool
) -> Runnable[Any, Any]:
    """Let `llm` give values instead of messages; with `include_raw`, LangChain's `raw`, `parsed`, `parsing_error`."""
    parse: Runnable[AIMessage, Any] = RunnableLambda(lambda message: _parse(message, schema))
    if not include_raw:
        return llm | parse
    parsed = RunnablePassthrough.assign(parsed=(lambda given: given["raw"]) | parse, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    raw = llm | RunnableLambda(lambda message: {"raw": message})  # the first of a sequence is given a call's options
    return raw | parsed.with_fallbacks([failed], exception_key="parsing_error")


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
        f"the answer was cut off before its JSON was whole: {message.text!r:.80}; allow more with max_tokens, or, "
        "where the context is full, load the model with a larger n_ctx"
    )

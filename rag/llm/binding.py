"""What a local chat model can be bound to: tools that it calls, and schemas that its answers fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from .base import ChatModel, LastingOptions
from .structured import as_schema, format_of, structured
from .tools import read_tools


class Binding(LastingOptions, ChatModel):
    """A chat model whose answers a grammar can hold to a form: it takes `response_format` and `tools` as options."""

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call `tools`; the calls are in the answer's `tool_calls`.

        The prompt shows the tools as the model's chat template has it, or else as `prompts/tools.yaml` does. A grammar
        holds the arguments to the tool's schema. A call that `max_tokens` cuts off is in `invalid_tool_calls`.

        ```python
        from ragloom.rag.llm import ChatLocal

        def weather(city: str) -> str:
            "Tell the weather in a city."
            return "rain"

        with ChatLocal(n_ctx=1024) as llm:
            called = llm.bind_tools([weather], tool_choice="any").invoke("What is the weather in Rome?").tool_calls[0]
            print(called["name"], list(called["args"]))  # -> weather ['city']
        ```

        Args:
            tools: functions, pydantic models, LangChain's tools or OpenAI's dicts.
            tool_choice: `auto` (None): the model answers in text, or calls; `any` or `required`: it must call; `none`:
                it must not; the name of a tool: it must call that one. Or one of these in OpenAI's form.
            parallel_tool_calls: whether it may make several calls at once; None: if it learnt to call tools, to judge
                by its chat template. Others do not know when to stop.
            kwargs: options of the call; LangChain's `strict` changes nothing.

        Raises:
            ModelError: there is no such choice, what is given cannot be a tool, or, when asked, two have one name.
        """
        options = {name: value for name, value in kwargs.items() if name != "strict"}
        read = read_tools(tools, tool_choice)
        shown = read.shown if read else []
        return self.bind(tools=shown, tool_choice=tool_choice, parallel_tool_calls=parallel_tool_calls, **options)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Give values instead of messages: a dict, or what a pydantic model makes of it.

        A grammar lets the model write nothing else. It is not told the schema: say in the prompt what its keys mean.

        ```python
        from ragloom.rag.llm import ChatLocal

        schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
        with ChatLocal(n_ctx=512) as llm:
            print(llm.with_structured_output(schema).invoke("Which colour has the sky?"))  # -> {'colour': 'blue'}
        ```

        Args:
            schema: a JSON Schema, a pydantic model, a `TypedDict` or a tool in OpenAI's form.
            include_raw: give LangChain's `raw`, `parsed` and `parsing_error` instead.
            method: `json_schema`, `function_calling` (the same here), or `json_mode` for any JSON object.
            kwargs: options of the call; LangChain's `strict` changes nothing.

        Raises:
            ModelError: the method is another one, or `schema` is none.
            OutputParserException: when asked, `max_tokens` cut the answer off, or a pydantic model refuses it.
        """
        options = {name: value for name, value in kwargs.items() if name != "strict"}
        converted = as_schema(schema)
        told = {"kwargs": {"method": method}, "schema": converted}  # for LangChain's traces
        exact = converted
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            exact = schema.model_json_schema()  # LangChain makes Any of a model within itself
        bound = self.bind(response_format=format_of(exact, method), ls_structured_output_format=told, **options)
        return structured(bound, schema, include_raw=include_raw)

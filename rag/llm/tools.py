"""Tools for `ChatLocal`: which there are, which may or must be called, and the grammar that sees to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ..._explain import short, unknown
from .calls import CallForm, CallReader
from .errors import ModelError
from .grammar import calls_grammar

Choice = Literal["auto", "any", "none"]

_CHOICES: dict[str, Choice] = {"auto": "auto", "any": "any", "required": "any", "none": "none"}
"""LangChain's and OpenAI's words."""


class Tool(NamedTuple):
    """A function that a model may call.

    Attributes:
        name: what calls name.
        parameters: the JSON Schema of its arguments.
        shown: all that a prompt tells of it, in OpenAI's form.
    """

    name: str
    parameters: Mapping[str, Any]
    shown: dict[str, Any]

    @classmethod
    def of(cls, tool: dict[str, Any] | type | Callable[..., Any] | BaseTool) -> Tool:
        """Convert a function, a pydantic model, LangChain's tool or OpenAI's dict.

        Raises:
            ModelError: it cannot be a tool.
        """
        shown = as_openai_tool(tool)
        function = shown["function"]
        if function["name"] in _CHOICES:
            raise ModelError(f"a tool cannot be called {function['name']!r}, which tool_choice has a meaning for")
        return cls(function["name"], function.get("parameters") or {"type": "object", "properties": {}}, shown)


class Tools(NamedTuple):
    """Tools of one call of the model.

    Attributes:
        told: those that the prompt tells.
        allowed: those that may be called.
        choice: whether one must be called, may be, or must not.
        named: whether the tool that must be called was named, and so is called once.
    """

    told: Sequence[Tool]
    allowed: Sequence[Tool]
    choice: Choice
    named: bool = False

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What the prompt tells, in OpenAI's form."""
        return [tool.shown for tool in self.told]

    def grammar(self, form: CallForm, *, many: bool, answer: Mapping[str, Any] | None) -> str:
        """What an answer cannot leave that may, if so with `many` calls, call tools; see `calls_grammar`.

        Args:
            form: how a call is written.
            many: whether there may be several calls.
            answer: the JSON Schema of an answer that calls nothing; None: it is a text.

        Raises:
            ModelError: the schema of a tool cannot become a grammar, or two tools have one name.
        """
        names = [tool.name for tool in self.told]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ModelError(f"two tools are called {twice!r}")
        schemas = {tool.name: tool.parameters for tool in self.allowed}
        many = many and not self.named
        return calls_grammar(schemas, form, choice=self.choice, many=many, answer=answer)

    def reader(self, form: CallForm, *, answer: Mapping[str, Any] | None) -> CallReader | None:
        """What reads the answer to that grammar; None if there can be no calls."""
        if self.choice == "none":
            return None
        is_json = self.choice == "auto" and answer is not None
        return CallReader(form, json_or=[tool.name for tool in self.allowed] if is_json else None)


def read_tools(tools: Sequence[Any], tool_choice: Any = None) -> Tools | None:
    """Check the tools of a call and which of them it wants; None if there are none.

    Args:
        tools: functions, pydantic models, LangChain's tools or OpenAI's dicts.
        tool_choice: `auto` (None), `any` or `required`, `none`, the name of a tool, or one of these as OpenAI or
            LangChain write it in a dict.

    Raises:
        ModelError: there is no such choice, or what is given cannot be a tool.
    """
    read = [Tool.of(tool) for tool in tools]
    names = [tool.name for tool in read]
    wanted = _named(tool_choice)
    if not read:
        if wanted not in ("auto", "none"):
            raise ModelError(f"tool_choice={wanted!r} without tools")
        return None
    if wanted in names:
        return Tools(read, [read[names.index(wanted)]], "any", named=True)
    if wanted not in _CHOICES:
        raise ModelError(unknown("tool_choice", wanted, [*_CHOICES, *names]))
    return Tools(read, read, _CHOICES[wanted])


def as_openai_tool(tool: dict[str, Any] | type | Callable[..., Any] | BaseTool) -> dict[str, Any]:
    """A tool in OpenAI's form.

    Raises:
        ModelError: it cannot be one.
    """
    try:
        converted = convert_to_openai_tool(tool)
    except KeyError as error:
        raise ModelError(f"{short(tool)} cannot be a tool: it has no {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        problem = str(error).strip().partition("\n")[0]
        raise ModelError(f"{short(tool)} cannot be a tool: {problem}") from error
    match converted:
        case {"function": {"name": str() as name, **rest}} if name:
            if isinstance(parameters := rest.get("parameters"), Mapping | None):
                return converted
            raise ModelError(f"{name!r} cannot be a tool: its parameters are a JSON Schema, not {short(parameters)}")
        case {"function": _}:
            raise ModelError(f"{short(tool)} cannot be a tool: a function has a name")
    raise ModelError(f"{short(tool)} is a tool of some provider; a local model calls functions only")


def _named(choice: Any) -> str:
    """The word or name that a choice is about."""
    match choice:
        case None | False:
            return "auto"
        case True:
            return "any"
        case str():
            return choice
        case {"function": {"name": str() as name}} | {"type": "tool", "name": str() as name}:
            return name
        case {"type": ("auto" | "any" | "none" | "required") as word}:
            return str(word)
    raise ModelError(
        "tool_choice is 'auto', 'any', 'none', the name of a tool or {'type': 'function', 'function': {'name': ...}},"
        f" not {short(choice)}"
    )

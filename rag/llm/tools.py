"""Tools for `ChatLocal`: which there are, which may or must be called, and the grammar that sees to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ..._explain import short, unknown
from .calls import CallForm
from .errors import ModelError
from .grammar import calls_grammar

Choice = Literal["auto", "any", "none"]

_CHOICES: dict[str, Choice] = {"auto": "auto", "any": "any", "required": "any", "none": "none"}
"""LangChain's and OpenAI's words."""


class Tools(NamedTuple):
    """Tools of one call of the model.

    Attributes:
        shown: those that the prompt tells, in OpenAI's form.
        callable: the names of those that may be called.
        choice: whether one must be called, may be, or must not.
        named: whether the tool that must be called was named, and so is called once.
    """

    shown: list[dict[str, Any]]
    callable: list[str]
    choice: Choice
    named: bool = False

    def grammar(self, form: CallForm, *, many: bool, response_format: Mapping[str, Any] | None) -> str:
        """What an answer cannot leave that may, if so with `many` calls, call tools; see `calls_grammar`.

        Raises:
            ModelError: the schema of a tool cannot become a grammar.
        """
        schemas = {
            tool["function"]["name"]: tool["function"].get("parameters") or {"type": "object", "properties": {}}
            for tool in self.shown
            if tool["function"]["name"] in self.callable
        }
        many = many and not self.named
        return calls_grammar(schemas, form, choice=self.choice, many=many, response_format=response_format)


def read_tools(tools: Sequence[Any], tool_choice: Any = None) -> Tools | None:
    """Check the tools of a call and which of them it wants; None if there are none.

    Args:
        tools: functions, pydantic models, LangChain's tools or OpenAI's dicts.
        tool_choice: `auto` (None), `any` or `required`, `none`, the name of a tool, or one of these as OpenAI or
            LangChain write it in a dict.

    Raises:
        ModelError: there is no such choice, or what is given cannot be a tool.
    """
    shown = [as_openai_tool(tool) for tool in tools]
    names = [tool["function"]["name"] for tool in shown]
    wanted = _named(tool_choice)
    if not shown:
        if wanted not in ("auto", "none"):
            raise ModelError(f"tool_choice={wanted!r} without tools")
        return None
    if wanted in names:
        return Tools(shown, [wanted], "any", named=True)
    if wanted not in _CHOICES:
        raise ModelError(unknown("tool_choice", wanted, [*_CHOICES, *names]))
    return Tools(shown, names, _CHOICES[wanted])


def as_openai_tool(tool: dict[str, Any] | type | Callable[..., Any] | BaseTool) -> dict[str, Any]:
    """A tool in OpenAI's form.

    Raises:
        ModelError: it cannot be one.
    """
    try:
        converted = convert_to_openai_tool(tool)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{short(tool)} cannot be a tool: {str(error).strip().splitlines()[0]}") from error
    if not isinstance(converted.get("function"), Mapping):
        raise ModelError(f"{short(tool)} is a tool of some provider; a local model calls functions only")
    return converted


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

"""From LangChain's messages to turns: a role, a text and the tool calls in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from ..._explain import unknown
from .calls import Call
from .errors import ModelError

_ROLES = {HumanMessage: "user", AIMessage: "assistant", SystemMessage: "system", ToolMessage: "tool"}

_CALLS = {"tool_call", "invalid_tool_call", "tool_use", "function_call"}
"""Blocks that say once more what `AIMessage.tool_calls` says."""

_THOUGHTS = {"reasoning", "reasoning_content", "thinking", "redacted_thinking"}
"""Blocks of a thought before an answer, which is for the model alone that thought it."""


class Turn(NamedTuple):
    """One message.

    Attributes:
        role: system, user, assistant or tool.
        content: its text.
        calls: what an assistant calls.
        result_of: the call whose result a tool tells; its arguments may not be known.
    """

    role: str
    content: str
    calls: tuple[Call, ...] = ()
    result_of: Call | None = None


def to_turns(messages: Sequence[BaseMessage]) -> list[Turn]:
    """Turn messages into turns.

    Raises:
        ModelError: there are no messages, or one contains what a text model cannot read.
    """
    if not messages:
        raise ModelError("there is nothing to answer: the list of messages is empty")
    turns: list[Turn] = []
    calls: dict[str, Call] = {}
    for message in messages:
        made = _calls(message)
        calls |= {call.id: call for call in made}
        turns.append(Turn(_role(message), _text(message), made, _result_of(message, calls)))
    return turns


def merge_system(turns: Sequence[Turn]) -> list[Turn]:
    """Put the system text in front of the first user turn, for templates that know no system role."""
    system = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    rest = [turn for turn in turns if turn.role != "system"]
    if not system:
        return rest
    at = next((i for i, turn in enumerate(rest) if turn.role == "user"), None)
    if at is None:
        return [Turn("user", system), *rest]
    return [*rest[:at], Turn("user", f"{system}\n\n{rest[at].content}"), *rest[at + 1 :]]


def lead_system(turns: list[Turn]) -> list[Turn]:
    """All that the system says in one turn at the beginning, for templates that take no system message elsewhere."""
    said = [turn.content for turn in turns if turn.role == "system"]
    others = [turn for turn in turns if turn.role != "system"]
    return [Turn("system", "\n\n".join(said)), *others] if said else others


def merge_neighbours(turns: Sequence[Turn]) -> list[Turn]:
    """Join turns of one role that follow each other, for templates that insist on alternating roles."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role != "tool" and not merged[-1].calls:
            merged[-1] = Turn(turn.role, f"{merged[-1].content}\n\n{turn.content}".strip(), turn.calls)
        else:
            merged.append(turn)
    return merged


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        if message.role not in _ROLES.values():
            raise ModelError(unknown("role", message.role, _ROLES.values()))
        return message.role
    for kind, role in _ROLES.items():
        if isinstance(message, kind):
            return role
    raise ModelError(f"a chat model takes no {type(message).__name__}")


def _calls(message: BaseMessage) -> tuple[Call, ...]:
    made = message.tool_calls if isinstance(message, AIMessage) else []
    return tuple(Call(call["name"], call["args"], call["id"] or "") for call in made)


def _result_of(message: BaseMessage, calls: Mapping[str, Call]) -> Call | None:
    if not isinstance(message, ToolMessage):
        return None
    return calls.get(message.tool_call_id) or Call(message.name or "", {}, message.tool_call_id)


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in message.content]
    if isinstance(message, AIMessage):
        blocks = [block for block in blocks if block.get("type") not in _CALLS | _THOUGHTS]
    if unreadable := next((block for block in blocks if block.get("type") != "text"), None):
        raise ModelError(f"local models read text only, not content of type {unreadable.get('type')!r}")
    texts = [block.get("text") for block in blocks]
    if not all(isinstance(text, str) for text in texts):
        raise ModelError("a block of type 'text' has no text")
    return "".join(map(str, texts))

"""Between LangChain's messages and the engine: turns of a role and a text in, usage and log-probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

from ..._explain import unknown
from .errors import ModelError
from .requests import Delta, TokenLogprob

_ROLES = {HumanMessage: "user", AIMessage: "assistant", SystemMessage: "system", ToolMessage: "tool"}


class Turn(NamedTuple):
    """One message: `role` is system, user, assistant or tool."""

    role: str
    content: str


def to_turns(messages: Sequence[BaseMessage]) -> list[Turn]:
    """Turn messages into turns.

    Raises:
        ModelError: there are no messages, or one contains what a text model cannot read.
    """
    if not messages:
        raise ModelError("there is nothing to answer: the list of messages is empty")
    return [Turn(_role(message), _text(message)) for message in messages]


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


def merge_neighbours(turns: Sequence[Turn]) -> list[Turn]:
    """Join turns of one role that follow each other, for templates that insist on alternating roles."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1] = Turn(turn.role, f"{merged[-1].content}\n\n{turn.content}")
        else:
            merged.append(turn)
    return merged


def usage(prompt_tokens: int, last: Delta) -> UsageMetadata:
    """What an answer cost; tokens of the prompt that were there already count as read from a cache."""
    return UsageMetadata(
        input_tokens=prompt_tokens,
        output_tokens=last.tokens,
        total_tokens=prompt_tokens + last.tokens,
        input_token_details=InputTokenDetails(cache_read=last.reused),
    )


def logprobs_metadata(deltas: Sequence[Delta]) -> dict[str, Any]:
    """Log-probabilities in the form of OpenAI's `logprobs`; empty where none were asked for."""
    told = [delta.logprob for delta in deltas if delta.logprob]
    return {"logprobs": {"content": [_logprob(token) for token in told]}} if told else {}


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    return {**_likelihood(token), "top_logprobs": [_likelihood(other) for other in token.top]}


def _likelihood(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.piece.decode("utf-8", "replace"),
        "bytes": list(token.piece),
        "logprob": token.logprob,
    }


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        if message.role not in _ROLES.values():
            raise ModelError(unknown("role", message.role, _ROLES.values()))
        return message.role
    for kind, role in _ROLES.items():
        if isinstance(message, kind):
            return role
    raise ModelError(f"a chat model takes no {type(message).__name__}")


def _text(message: BaseMessage) -> str:
    if isinstance(message, AIMessage) and message.tool_calls:
        raise ModelError("the conversation contains tool calls; local models answer in text only")
    if isinstance(message.content, str):
        return message.content
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in message.content]
    if unreadable := next((block for block in blocks if block.get("type") != "text"), None):
        raise ModelError(f"local models read text only, not content of type {unreadable.get('type')!r}")
    return "".join(block["text"] for block in blocks)

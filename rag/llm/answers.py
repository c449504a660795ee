"""From the engine's deltas to LangChain's messages: text, tool calls, usage and log-probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk

from .calls import CallPiece, CallRead, CallReader
from .requests import Delta, FinishReason, TokenLogprob


class Answer:
    """One answer, as it is read."""

    def __init__(self, model_name: str, prompt_tokens: int, reader: CallReader | None) -> None:
        """Read the answer to a prompt of so many tokens; `reader` reads tool calls, None if there can be none."""
        self._model_name = model_name
        self._prompt_tokens = prompt_tokens
        self._reader = reader

    def message(self, deltas: Sequence[Delta]) -> AIMessage:
        """The whole answer."""
        text = "".join(self._read(delta)[0] for delta in deltas)
        calls = self._reader.calls if self._reader else []
        last = deltas[-1]
        return AIMessage(
            content=text,
            tool_calls=[_call(call) for call in calls if call.whole],
            invalid_tool_calls=[_cut_off(call, last.finish_reason) for call in calls if not call.whole],
            usage_metadata=_usage(self._prompt_tokens, last),
            response_metadata=self._metadata(last) | _logprobs(deltas),
        )

    def chunk(self, delta: Delta) -> AIMessageChunk | None:
        """What a stream tells of a bit of the answer; None where there is nothing to tell yet."""
        text, pieces = self._read(delta)
        told = _logprobs([delta])
        if not (delta.finish_reason or text or pieces or told):
            return None
        return AIMessageChunk(
            content=text,
            tool_call_chunks=[_chunk(piece) for piece in pieces],
            usage_metadata=_usage(self._prompt_tokens, delta) if delta.finish_reason else None,
            response_metadata=self._metadata(delta) | told if delta.finish_reason else told,
            chunk_position="last" if delta.finish_reason else None,
        )

    def _read(self, delta: Delta) -> tuple[str, list[CallPiece]]:
        if self._reader is None:
            return delta.text, []
        return self._reader.finish(delta.text) if delta.finish_reason else self._reader.feed(delta.text)

    def _metadata(self, last: Delta) -> dict[str, Any]:
        called = last.finish_reason == "stop" and self._reader and any(call.whole for call in self._reader.calls)
        return {"model_name": self._model_name, "finish_reason": "tool_calls" if called else last.finish_reason}


def _call(call: CallRead) -> ToolCall:
    return tool_call(name=call.name, args=json.loads(call.arguments), id=call.id)


def _cut_off(call: CallRead, finish_reason: FinishReason | None) -> InvalidToolCall:
    """The grammar lets no answer end within a call, so a limit or a stop string ended it."""
    is_limit = finish_reason == "length"
    limit = "allow more with max_tokens, or, where the context is full, load the model with a larger n_ctx"
    advice = limit if is_limit else "the call has one of the `stop` strings in it"
    error = f"the answer ended within the call; {advice}"
    return invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=error)


def _chunk(piece: CallPiece) -> ToolCallChunk:
    """OpenAI tells name and id once, with the first piece."""
    name, id_ = (piece.call.name, piece.call.id) if piece.begins else (None, None)
    return tool_call_chunk(name=name, args=piece.arguments, id=id_, index=piece.call.index)


def _usage(prompt_tokens: int, last: Delta) -> UsageMetadata:
    """What an answer cost; tokens of the prompt that were there already count as read from a cache."""
    return UsageMetadata(
        input_tokens=prompt_tokens,
        output_tokens=last.tokens,
        total_tokens=prompt_tokens + last.tokens,
        input_token_details=InputTokenDetails(cache_read=last.reused),
    )


def _logprobs(deltas: Sequence[Delta]) -> dict[str, Any]:
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

"""What a run tells while it goes on, from what langgraph streams."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from ...llm.thinking import AnswerPieces
from ..events import Event, NodeEnded, NodeFailed, NodeStarted, Token
from ..plan import Plan
from .channels import node_key


class Telling:
    """The events of one run; thoughts of an LLM are none, see `AnswerPieces`."""

    def __init__(self, plan: Plan) -> None:
        """Name the nodes as `plan` does."""
        self._nodes = {node_key(name): name for name in plan.nodes}
        self._answers: defaultdict[str | None, AnswerPieces] = defaultdict(AnswerPieces)

    def event(self, mode: str, chunk: Any) -> Event | None:
        """The event that a chunk of langgraph's stream is, if it is one."""
        if mode == "custom":
            return chunk if isinstance(chunk, NodeStarted | NodeEnded | NodeFailed) else None
        message, about = chunk
        if not isinstance(message, AIMessage):
            return None
        is_last = not isinstance(message, AIMessageChunk) or message.chunk_position == "last"
        text = self._answers[message.id].told(message.text, is_last=is_last)
        key = about["langgraph_node"]
        return Token(self._nodes.get(key, key), text) if text else None

"""A node type that counts how often it is called, and graphs of one node whose results are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kittens import Does, cat
from langchain_core.documents import Document
from ragloom.rag.graph import Context, NodeType, RagGraph, RagState, Update
from ragloom.stores.types import Hit


class Called:
    """How often a node was called, and a node type that counts."""

    def __init__(self) -> None:
        self.times = 0

    def find(self, state: RagState, context: Context) -> Update:
        self.times += 1
        context.note("looked")
        hit = Hit(Document(f"{state.query} {self.times}", metadata={"at": [1, {"deep": None}]}), 0.5, 1)
        return {"candidates": {context.node: [hit]}, "documents": [hit]}


def one(kind: NodeType, cache: Path, *, name: str = "a", **rest: Any) -> RagGraph:
    """A graph of one node whose results are kept."""
    options = {key: rest.pop(key) for key in ("corpus", "llm") if key in rest}
    written = {"nodes": {name: {"use": kind.name, "cache": True, **rest}}, "flow": [f"start -> {name} -> end"]}
    return RagGraph(written, types=[kind], cache=cache, **options)


def finder(does: Does) -> NodeType:
    return cat("find", does, reads=["query"], writes=["candidates", "documents"])

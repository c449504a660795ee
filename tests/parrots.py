"""A chat model that tells its answer word by word, nodes that let it, and what is heard of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kittens import cat, cats, graph
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from ragloom.rag.graph import (
    Context,
    RagGraph,
    RagState,
    Update,
)

USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "input_token_details": {"cache_read": 5}}


class Parrot(BaseChatModel):
    """Says what it is told to, word by word, and waits for `goes_on` before the last word."""

    words: Sequence[str] = ("Toad", " did", " it.")
    goes_on: Any = None

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("".join(self.words), usage_metadata=USAGE))])

    def _stream(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        for word in self.words:
            if self.goes_on is not None and word is self.words[-1]:
                assert self.goes_on.wait(10)
            last = word is self.words[-1]
            yield ChatGenerationChunk(message=AIMessageChunk(word, usage_metadata=USAGE if last else None))


def speak(state: RagState, context: Context) -> Update:
    return {"extra": {context.node: context.llm.invoke(state.query).text}}


async def aspeak(state: RagState, context: Context) -> Update:
    return {"extra": {context.node: (await context.llm.ainvoke(state.query)).text}}


def speaking(*, is_async: bool = False, **options: Any) -> RagGraph:
    return graph(
        "start -> a -> b -> end", cat("a", aspeak if is_async else speak, writes=["extra.a"]), *cats("b"), **options
    )


class Heard(BaseCallbackHandler):
    """What callbacks are told."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[str]]] = []
        self.tokens: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **about: Any) -> None:
        self.runs.append((about["name"], about["tags"]))

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:
        self.runs.append(("llm", about["tags"]))

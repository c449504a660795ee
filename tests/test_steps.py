"""Whatever asks an LLM can stand alone: as a LangChain Runnable, in a chain, in a batch, in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chat_server import Server, serving, top
from fakes import HashingEmbedder
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from pydantic import ValidationError
from ragloom.agents import FinalPredictor, Judge, MainRagFilter, Predictor
from ragloom.rag.generate import ChainOfNote, IterRetGen
from ragloom.rag.llm import load
from ragloom.rag.llm.errors import Cancelled
from ragloom.rag.llm.step import Step
from ragloom.rag.retrieve import Decomposer, Hyde, Rewriter

TOAD = Document("Toad lives at Toad Hall.", metadata={"source": "toad", "title": "Wind"})
TALK = [("user", "Who drives?"), ("assistant", "Toad drives.")]

Made = Callable[[BaseChatModel], Runnable[Any, Any]]

STEPS: dict[str, tuple[Made, Any]] = {
    "hyde": (lambda llm: Hyde(llm=llm, embedder=HashingEmbedder(), n=2), "Who drives?"),
    "rewrite": (lambda llm: Rewriter(llm=llm), {"question": "Where is it?", "history": TALK}),
    "decompose": (lambda llm: Decomposer(llm=llm), "Who drives?"),
    "iterate": (
        lambda llm: IterRetGen(llm=llm, retriever=RunnableLambda(lambda _: [TOAD])),
        "Who drives?",
    ),
    "notes": (lambda llm: ChainOfNote(llm=llm), {"question": "Who drives?", "documents": [TOAD]}),
    "predictor": (lambda llm: Predictor(llm=llm), {"question": "Who drives?", "document": TOAD}),
    "judge": (lambda llm: Judge(llm=llm), {"question": "Who drives?", "document": TOAD, "prediction": "Toad."}),
    "final predictor": (lambda llm: FinalPredictor(llm=llm), {"question": "Who drives?", "documents": [TOAD]}),
    "main-rag": (
        lambda llm: MainRagFilter(llm=llm).as_runnable(),
        {"query": "Who drives?", "documents": [TOAD]},
    ),
}
each_step = pytest.mark.parametrize(("make", "asked"), STEPS.values(), ids=STEPS)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.logprobs = top(("Yes", -0.5), ("No", -1.5))
        yield server


@each_step
def test_each_is_a_runnable_that_says_the_same_in_a_chain_a_batch_and_an_event_loop(
    server: Server, make: Made, asked: Any
) -> None:
    step = make(load(server.url))
    alone = step.invoke(asked)
    assert (RunnablePassthrough() | step).invoke(asked) == alone
    assert step.batch([asked, asked]) == [alone, alone]
    assert asyncio.run(step.ainvoke(asked)) == alone


def test_the_agents_read_a_document_s_title_as_the_filter_does(server: Server) -> None:
    Predictor(llm=load(server.url)).invoke({"question": "Who?", "document": TOAD})
    Predictor(llm=load(server.url)).invoke({"question": "Who?", "document": TOAD.page_content})
    titled, plain = ("Wind" in request["messages"][-1]["content"] for request in server.requests)
    assert (titled, plain) == (True, False)


@pytest.mark.parametrize("kind", [Hyde, Rewriter, Decomposer, IterRetGen, ChainOfNote, Predictor, Judge])
def test_an_option_that_there_is_not_is_refused(server: Server, kind: type[Step[Any, Any]]) -> None:
    with pytest.raises(ValidationError, match="tempreture"):
        kind(llm=load(server.url), tempreture=1)


@each_step
def test_none_asks_anything_once_it_was_cancelled(server: Server, make: Made, asked: Any) -> None:
    step, cancelled = make(load(server.url)), threading.Event()
    cancelled.set()
    if isinstance(step, Step):
        with pytest.raises(Cancelled):
            step.invoke(asked, cancelled=cancelled)
        assert server.requests == []


@each_step
async def test_a_cancelled_task_waits_no_longer_for_a_server(server: Server, make: Made, asked: Any) -> None:
    server.answering.clear()  # it takes requests, and says nothing
    task = asyncio.create_task(make(load(server.url)).ainvoke(asked))
    while not server.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.answering.set()

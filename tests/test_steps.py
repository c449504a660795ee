"""Whatever asks an LLM can stand alone: as a LangChain Runnable, in a chain, in a batch, in an event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from chat_server import Server, serving, top
from fakes import HashingEmbedder
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from pydantic import ValidationError
from ragloom import Corpus
from ragloom.agents import EntitySummarizer, FactExtractor, FinalPredictor, Judge, MainRagFilter, MemoryJudge, Predictor
from ragloom.rag.generate import ChainOfNote, IterRetGen, cited
from ragloom.rag.generate.types import Answer
from ragloom.rag.llm import load
from ragloom.rag.llm.errors import AskedError, Cancelled, ModelError
from ragloom.rag.llm.step import Step
from ragloom.rag.retrieve import Decomposer, Hyde, Rewriter, self_query
from ragloom.stores.memory import Episode, Fact
from reports import add_reports

TOAD = Document("Toad lives at Toad Hall.", metadata={"source": "toad", "title": "Wind"})
MOVED = Episode("I moved to Berlin.", datetime(2024, 3, 5, tzinfo=UTC), source="Ann")
WED = Fact("Ann", "is_the_wife_of", "Bob")
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


NAMED = [name for name, (_, asked) in STEPS.items() if isinstance(asked, dict)]


@pytest.mark.parametrize("name", NAMED)
def test_a_text_or_a_wrong_name_is_refused_with_the_names_that_are_asked_for(server: Server, name: str) -> None:
    make, _ = STEPS[name]
    step = make(load(server.url))
    with pytest.raises(AskedError, match=r"is asked for \{\"(question|query)\": .*not for 'Who drives[?]'"):
        step.invoke("Who drives?")
    with pytest.raises(AskedError, match=r"'(question|query)' is missing from \['Question', "):
        step.invoke({"documents": [TOAD], "document": TOAD, "prediction": "Toad.", "Question": "Who drives?"})
    assert server.requests == []


def test_a_filter_fits_before_what_answers(server: Server) -> None:
    llm = load(server.url)
    kept = RunnablePassthrough.assign(documents=MainRagFilter(llm=llm).as_runnable())
    asked = {"question": "Who drives?", "documents": [TOAD]}
    for answers in (FinalPredictor(llm=llm), ChainOfNote(llm=llm)):
        assert isinstance((kept | answers).invoke(asked), Answer)
        assert isinstance((kept | answers).invoke({"query": "Who drives?", "documents": [TOAD]}), Answer)


TEXTUAL = [name for name, (_, asked) in STEPS.items() if isinstance(asked, str)]


@pytest.mark.parametrize("name", TEXTUAL)
def test_what_is_no_text_is_refused_where_a_text_is_asked(server: Server, name: str) -> None:
    make, _ = STEPS[name]
    with pytest.raises(AskedError, match=r"this step is asked a text, not \{'question': 'Who drives\?'\}"):
        make(load(server.url)).invoke({"question": "Who drives?"})
    assert server.requests == []


@pytest.mark.parametrize("kind", [FinalPredictor, ChainOfNote])
def test_what_answers_takes_texts_as_documents(server: Server, kind: type[FinalPredictor | ChainOfNote]) -> None:
    answers = kind(llm=load(server.url))
    answer = answers.invoke({"question": "Who drives?", "documents": ["Toad drives."]})
    assert answer == answers.answer("Who drives?", [Document("Toad drives.")])
    with pytest.raises(AskedError, match=r"documents are a list; write \[text\] for one text"):
        answers.answer("Who drives?", "Toad drives.")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_compressor_s_models_report_to_the_callbacks_that_it_is_given(server: Server, is_async: bool) -> None:
    class Started(BaseCallbackHandler):
        starts = 0

        def on_chat_model_start(self, *_: Any, **told: Any) -> None:
            json.dumps(told["invocation_params"])
            self.starts += 1

    agents, retrieved = MainRagFilter(llm=load(server.url)), RunnableLambda(lambda _: [TOAD])
    retriever = ContextualCompressionRetriever(base_compressor=agents, base_retriever=retrieved)
    alone, within = Started(), Started()
    if is_async:
        asyncio.run(agents.acompress_documents([TOAD], "Who drives?", callbacks=[alone]))
        asyncio.run(retriever.ainvoke("Who drives?", {"callbacks": [within]}))
    else:
        agents.compress_documents([TOAD], "Who drives?", callbacks=[alone])
        retriever.invoke("Who drives?", {"callbacks": [within]})
    assert (alone.starts, within.starts) == (2, 2)


def test_an_answer_that_langchain_s_cache_has_is_not_asked_for_again(server: Server) -> None:
    step = Decomposer(llm=load(server.url, cache=InMemoryCache()))
    assert step.invoke("Who drives?") == step.invoke("Who drives?")
    assert len(server.requests) == 1


def test_what_is_no_chat_model_is_refused(server: Server) -> None:
    llm: Any = load(server.url).with_retry()
    with pytest.raises(ModelError, match="an LLM is a LangChain chat model, not RunnableRetry"):
        cited("Who drives?", [TOAD], llm)
    assert server.requests == []


async def test_a_call_has_no_options_but_the_event(server: Server) -> None:
    step: Any = Decomposer(llm=load(server.url))
    with pytest.raises(AskedError, match=r"unknown option 'canceled'; did you mean 'cancelled'[?]"):
        step.invoke("Who drives?", canceled=threading.Event())
    with pytest.raises(AskedError, match=r"'most' is no option of a call; write Decomposer\(most=...\)"):
        await step.ainvoke("Who drives?", most=2)
    assert server.requests == []


@each_step
def test_none_asks_anything_once_it_was_cancelled(server: Server, make: Made, asked: Any) -> None:
    step, cancelled = make(load(server.url)), threading.Event()
    cancelled.set()
    if isinstance(step, Step):
        with pytest.raises(Cancelled):
            step.invoke(asked, cancelled=cancelled)
        with pytest.raises(Cancelled):
            asyncio.run(step.ainvoke(asked, cancelled=cancelled))
        assert server.requests == []


ASKING: dict[str, Callable[[BaseChatModel, Corpus, threading.Event], object]] = {
    "extract": lambda llm, _, ended: FactExtractor(llm, cancelled=ended).extract(MOVED),
    "same entity": lambda llm, _, ended: MemoryJudge(llm, cancelled=ended).same_entity("Jo", "Jo is here.", ["Joe"]),
    "contradicted": lambda llm, _, ended: MemoryJudge(llm, cancelled=ended).contradicted(WED, [WED]),
    "summarize": lambda llm, _, ended: EntitySummarizer(llm, cancelled=ended).summarize("Ann", ["Ann is kind"]),
    "self-query": lambda llm, corpus, ended: self_query("What did Ada Meyer write?", corpus, llm, cancelled=ended),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_nobody_waits_for_a_server_once_the_event_is_set(
    server: Server, corpus: Corpus, ask: Callable[[BaseChatModel, Corpus, threading.Event], object]
) -> None:
    add_reports(corpus)
    server.answering.clear()  # it takes requests, and says nothing
    cancelled = threading.Event()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, load(server.url), corpus, cancelled)
        while not server.requests and not asked.done():
            pass
        cancelled.set()
        with pytest.raises(Cancelled):
            asked.result(60)
    server.answering.set()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_s_async_answer_ends_with_the_event_too(server: Server, stream: bool) -> None:
    server.answering.clear()
    cancelled, llm = threading.Event(), load(server.url)

    async def streamed() -> object:
        return [chunk async for chunk in llm.astream("Hi", cancelled=cancelled)]

    task = asyncio.ensure_future(streamed() if stream else llm.ainvoke("Hi", cancelled=cancelled))
    while not server.requests and not task.done():
        await asyncio.sleep(0)
    cancelled.set()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(task, 60)
    server.answering.set()


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

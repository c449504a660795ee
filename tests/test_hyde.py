"""HyDE: the vector is that of the paper, it is repeatable, and an LLM that fails costs nothing but a note."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from chat_server import serving
from checked import problems
from engines import idle
from fakes import HashingEmbedder
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError
from ragloom import Corpus
from ragloom.prompts import Prompt, load_prompt
from ragloom.prompts.loader import own_prompts
from ragloom.rag.llm import ChatLocal, load
from ragloom.rag.retrieve import Hyde, QueryVector, QueryVectorError
from ragloom.stores.embedder import Fingerprint

QUERY = "Who is a thief?"
PASSAGES = ["Toad steals a motor-car.", "The magpie is known to steal.", "Mole digs."]


class Failing(FakeListChatModel):
    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("the cable is cut")


def scripted(*replies: str, **options: Any) -> Hyde:
    llm = FakeListChatModel(responses=list(replies))
    return Hyde(llm=llm, embedder=HashingEmbedder(), n=len(replies), **options)


def test_the_vector_is_the_mean_of_query_and_passages_at_length_one() -> None:
    embedder = HashingEmbedder()
    vector = scripted(*PASSAGES).invoke(QUERY)
    expected = (embedder.encode_query(QUERY) + embedder.encode(PASSAGES).sum(axis=0)) / 4
    assert np.allclose(vector.values, expected / np.linalg.norm(expected), atol=1e-6)
    assert (vector.query, vector.embedder, vector.notes) == (QUERY, embedder.fingerprint, ())
    assert sorted(vector.made_from) == sorted(PASSAGES)
    assert str(vector) == "the query and 3 texts"


@pytest.mark.parametrize(
    ("llm", "note"),
    [
        (Failing(responses=[""]), "the LLM failed (the cable is cut): the query alone"),
        (FakeListChatModel(responses=["", " \n"]), "the LLM wrote nothing: the query alone"),
    ],
)
def test_an_llm_that_fails_or_writes_nothing_leaves_the_query_s_own_vector(llm: Any, note: str) -> None:
    embedder = HashingEmbedder()
    hyde = Hyde(llm=llm, embedder=embedder, n=2)
    for vector in (hyde.invoke(QUERY), asyncio.run(hyde.ainvoke(QUERY))):
        assert np.allclose(vector.values, embedder.encode_query(QUERY), atol=1e-6)
        assert (vector.made_from, vector.notes) == ((), (note,))
        assert str(vector) == "the query alone"


def test_empty_passages_do_not_count() -> None:
    vector = scripted("Toad steals.", "", " ").invoke(QUERY)
    assert vector.made_from == ("Toad steals.",)
    assert vector.notes == ("2 of 3 passages are empty",)


def test_it_is_a_runnable() -> None:
    hyde = scripted(*PASSAGES)
    chain = RunnableLambda(str.strip) | hyde | (lambda vector: vector.query)
    assert chain.invoke(f" {QUERY} ") == QUERY
    assert [vector.query for vector in hyde.batch(["Who?", "Where?"])] == ["Who?", "Where?"]
    assert asyncio.run(hyde.ainvoke(QUERY)).query == QUERY


def test_embeddings_of_langchain_will_do() -> None:
    llm = FakeListChatModel(responses=PASSAGES)
    vector = Hyde(llm=llm, embedder=DeterministicFakeEmbedding(size=5), n=1).invoke(QUERY)
    assert len(vector.values) == 5


@pytest.mark.parametrize("query", ["", " \n"])
def test_an_empty_query_is_refused(query: str) -> None:
    with pytest.raises(QueryVectorError, match="the query is empty; ask something"):
        scripted("Toad.").invoke(query)


def test_an_option_that_does_not_exist_or_cannot_be_is_refused() -> None:
    for wrong in ({"n": 0}, {"task": "weather"}, {"timeout": 0}, {"temprature": 1}):
        with pytest.raises(ValidationError):
            Hyde(llm=FakeListChatModel(responses=[""]), embedder=HashingEmbedder(), **wrong)


TASKS = sorted(name.removeprefix("hyde/") for name in own_prompts() if name.startswith("hyde/"))


def test_there_is_a_prompt_for_each_task() -> None:
    assert TASKS == ["argument", "claim", "finance", "news", "science", "web"]


@pytest.mark.parametrize("task", TASKS)
def test_a_prompt_is_that_of_the_paper_in_english_and_names_another_language(task: str) -> None:
    assert load_prompt(f"hyde/{task}").variables == {"query", "in_language"}
    for language, told in (("en", ""), ("other", ""), ("de", " in German"), ("Japanese", " in Japanese")):
        (message,) = scripted("Toad.", task=task, language=language)._prompt(QUERY)
        assert message.text.startswith("Please write a ")
        assert QUERY in message.text
        assert ("$" in message.text, " in German" in message.text) == (False, language == "de")
        assert told in message.text


def test_a_language_keeps_its_name_and_a_code_that_is_not_known_is_refused() -> None:
    (message,) = scripted("Toad.", language="Brazilian Portuguese")._prompt(QUERY)
    assert " in Brazilian Portuguese" in message.text
    with pytest.raises(ValidationError, match="'ja' is no code that is known here; write the language's name"):
        scripted("Toad.", language="ja")


def test_a_node_s_language_is_checked_with_its_graph() -> None:
    (problem,) = problems("""\
        nodes: {imagine: {use: hyde, language: ja}}
        flow: [start -> imagine -> end]
    """)
    assert "'ja' is no code that is known here; write the language's name in English" in problem


def test_a_prompt_of_one_s_own_must_have_the_query() -> None:
    own = Prompt(name="own", description="d", user="A poem about $query")
    assert scripted("Toad.", task=own)._prompt("cats")[0].text == "A poem about cats"
    for user in ("A poem", "A poem about $query and $more"):
        with pytest.raises(ValidationError, match=r"the prompt 'own' should have \$query, and beside it at most"):
            scripted("Toad.", task=Prompt(name="own", description="d", user=user))


def test_a_vector_survives_json_and_knows_its_space() -> None:
    vector = scripted(*PASSAGES).invoke(QUERY)
    assert QueryVector(vector.query, list(vector.values), vector.embedder, list(vector.made_from)) == vector  # type: ignore[arg-type]
    assert vector.within(HashingEmbedder().fingerprint).dtype == np.float32
    assert vector.within(None).shape == (32,)
    with pytest.raises(QueryVectorError, match=r"made by hashing \(32 dim.*has vectors of other \(32 dim"):
        vector.within(Fingerprint("other", 32, "abc"))


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with ChatLocal(n_ctx=1024, batch_invariant=True) as loaded:
        yield loaded


@pytest.mark.model
def test_the_embedded_model_writes_different_passages_and_the_same_ones_again(llm: ChatLocal) -> None:
    hyde = Hyde(llm=llm, embedder=HashingEmbedder(), n=3, max_tokens=16)
    first, again = hyde.invoke(QUERY), asyncio.run(hyde.ainvoke(QUERY))
    assert len(set(first.made_from)) == 3
    assert again == first
    assert hyde.model_copy(update={"seed": 7}).invoke(QUERY).made_from != first.made_from


@pytest.mark.model
def test_the_passages_are_written_in_one_batch(llm: ChatLocal) -> None:
    before = llm.engine.stats()
    Hyde(llm=llm, embedder=HashingEmbedder(), n=8, max_tokens=16).invoke("What do toads drive?")
    after = llm.engine.stats()
    assert after.decoded - before.decoded > 64
    assert after.steps - before.steps < 48


@pytest.mark.model
def test_past_the_deadline_the_query_alone_is_taken_and_nothing_is_written_any_more(llm: ChatLocal) -> None:
    hyde = Hyde(llm=llm, embedder=HashingEmbedder(), n=4, max_tokens=900, temperature=3.0, timeout=0.3)
    for vector in (hyde.invoke(QUERY), asyncio.run(hyde.ainvoke(QUERY))):
        assert vector.notes == ("the LLM failed (the model needed longer than the timeout of 0.3 s): the query alone",)
        assert idle(llm.engine)


class Stuck(FakeListChatModel):
    """Says nothing until it is let go."""

    go_on: Any

    def _call(self, *args: Any, **kwargs: Any) -> str:
        assert self.go_on.wait(60)
        return "too late"


def test_the_deadline_holds_for_any_model() -> None:
    llm = Stuck(responses=[""], go_on=threading.Event())
    hyde = Hyde(llm=llm, embedder=HashingEmbedder(), n=2, timeout=0.05)
    for vector in (hyde.invoke(QUERY), asyncio.run(hyde.ainvoke(QUERY))):
        assert vector.notes == ("the LLM failed (the model needed longer than the timeout of 0.05 s): the query alone",)
        assert vector.made_from == ()
    llm.go_on.set()


def test_the_deadline_holds_for_a_server_however_often_it_is_asked_again() -> None:
    with serving() as server:
        server.answering.clear()
        hyde = Hyde(llm=load(server.url), embedder=HashingEmbedder(), n=2, timeout=0.2)
        vector = hyde.invoke(QUERY)
        assert vector.notes == ("the LLM failed (the model needed longer than the timeout of 0.2 s): the query alone",)
        assert len(server.requests) <= 2
        server.answering.set()


@pytest.mark.model
def test_a_cancelled_task_ends_what_is_being_written(llm: ChatLocal) -> None:
    hyde = Hyde(llm=llm, embedder=HashingEmbedder(), n=4, max_tokens=900, temperature=3.0)

    async def begin_and_cancel() -> None:
        task = asyncio.ensure_future(hyde.ainvoke(QUERY))
        while not llm.engine.stats().running:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_cancel())
    assert idle(llm.engine)


@pytest.mark.model
def test_imagined_passages_find_what_the_query_does_not(tmp_path: Any) -> None:
    with Corpus(tmp_path / "index") as corpus:
        corpus.add(["Stratus layers dropped twelve millimetres on the valley.", "The bank raised its rates for loans."])
        query = "Was there any rain?"
        llm = FakeListChatModel(responses=["Clouds dropped some millimetres of rain on the valley."])
        vector = Hyde(llm=llm, embedder=corpus.embedder, n=1).invoke(query)
        (plain,), (moved,) = (
            corpus.search(query, k=1, mode="dense"),
            corpus.search(query, vector=vector.values, k=1, mode="dense"),
        )
    assert moved.document.page_content.startswith("Stratus")
    assert moved.score > plain.score

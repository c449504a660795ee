"""Conditions on metadata, taken from the question."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from ragloom import Corpus
from ragloom.rag.graph import Context, RagState, Registry, check
from ragloom.rag.llm import ChatLocal, load
from ragloom.rag.retrieve import SelfQueryError, self_query
from ragloom.stores.matching import matcher
from reports import add_reports
from test_llm_server import Server


@pytest.fixture
def library(corpus: Corpus) -> Corpus:
    return add_reports(corpus)


def scripted(*replies: str) -> FakeListChatModel:
    """An LLM with these answers; without any it must not be asked."""
    return FakeListChatModel(responses=list(replies))


def test_the_llm_is_only_asked_if_there_is_something_to_choose(library: Corpus) -> None:
    found = self_query("Who steals a motor-car?", library, scripted())
    assert (found.where, found.notes) == ({}, ("the question mentions no value of the metadata",))
    assert self_query("What did Ada Meyer write?", library, scripted(), fields=["year"]).where == {}


def test_what_the_llm_chooses_becomes_the_condition(library: Corpus) -> None:
    reply = '{"author": "Ada Meyer", "year": "at least 2018", "on": null}'
    found = self_query("What did Ada Meyer write since 2018?", library, scripted(reply))
    assert found.where == {"$and": [{"author": {"$eq": "Ada Meyer"}}, {"year": {"$gte": 2018}}]}
    assert found.notes == (
        "author: Ada Meyer and year: at least 2018",
        "on: since 2018, but the LLM wants no condition of it",
    )
    hits = library.search("report", where=found.where)
    assert [hit.document.metadata["year"] for hit in hits] == [2021]


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        ('{"author": "Franz Kafka"}', "author: the LLM wants 'Franz Kafka', which the question does not say"),
        (
            '{"author": {"$eq": "Ada Meyer"}}',
            "author: the LLM wants {'$eq': 'Ada Meyer'}, which the question does not say",
        ),
        ('{"year": 2018}', "author: Ada Meyer, but the LLM wants no condition of it"),
        ("Ada Meyer, of course!", "the LLM's answer cannot be read: Invalid json output: Ada Meyer, of course!"),
        ('["Ada Meyer"]', "the LLM's answer cannot be read: ['Ada Meyer']"),
    ],
)
def test_an_llm_that_does_not_keep_to_the_choices_makes_no_condition(library: Corpus, reply: str, note: str) -> None:
    found = self_query("What did Ada Meyer write?", library, scripted(reply))
    assert found.where == {}
    assert found.notes[0] == "no conditions"
    assert found.notes[1].startswith(note)


def test_other_models_answer_through_their_own_structured_output(library: Corpus) -> None:
    asked: list[dict[str, Any]] = []

    class Other(FakeListChatModel):
        def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
            asked.append(schema)
            return RunnableLambda(lambda _prompt: {"author": "Ada Meyer"})

    found = self_query("What did Ada Meyer write?", library, Other(responses=[]))
    assert found.where == {"author": {"$eq": "Ada Meyer"}}
    assert asked[0]["properties"] == {"author": {"enum": ["Ada Meyer", None]}}


def test_a_server_is_sent_the_schema(library: Corpus) -> None:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = self_query("What did Ada Meyer write?", library, load(server.url, max_tokens=9))
        server.shutdown()
    (request,) = server.requests
    assert request["response_format"]["type"] == "json_schema"
    assert request["response_format"]["json_schema"]["schema"]["properties"] == {
        "author": {"enum": ["Ada Meyer", None]}
    }
    assert found.notes[1].startswith("the LLM's answer cannot be read"), 'it says "Good day"'


def test_conditions_that_nothing_meets_together_are_relaxed_and_that_is_told(library: Corpus) -> None:
    question, reply = "What did Tom Rossi write in 2021?", '{"author": "Tom Rossi", "year": "2021", "on": null}'
    found = self_query(question, library, scripted(reply))
    assert found.where == {"author": {"$eq": "Tom Rossi"}}
    assert found.notes[-1] == "year: 2021 left out: nothing meets it, together with author"
    strict = self_query(question, library, scripted(reply), relax=False)
    assert library.count(strict.where) == 0


def test_a_field_that_there_is_not(library: Corpus) -> None:
    with pytest.raises(SelfQueryError, match="unknown field 'yaer'; did you mean 'year'"):
        self_query("In 2018?", library, scripted(), fields=["yaer"])


@pytest.mark.parametrize("kind", ["dense", "lexical", "hybrid"])
def test_nodes_that_search_keep_to_the_conditions_and_say_so(library: Corpus, kind: str) -> None:
    state = RagState(question="Which report?", where={"author": {"$eq": "Ada Meyer"}})
    node, context = Registry.installed().nodes[kind], Context("find", lambda: library)
    found = node(state, context, where={"year": {"$gt": 2015}})["documents"]
    assert [hit.document.metadata["year"] for hit in found] == [2021]
    assert context.notes == ["""4 chunks -> 1, where the question wants {"author": {"$eq": "Ada Meyer"}}"""]
    nothing = state.model_copy(update={"where": {"year": 1999}})
    context = Context("find", lambda: library)
    assert node(nothing, context)["documents"] == []
    assert context.notes == ["""4 chunks -> 0, where the question wants {"year": 1999}"""]
    context = Context("find", lambda: library)
    assert len(node(RagState(question="Which report?"), context)["documents"]) == 4
    assert context.notes == ["4 chunks -> 4"]


def test_the_node_narrows_the_search_of_those_after_it(library: Corpus) -> None:
    llm = scripted('{"author": "Ada Meyer", "year": "2021", "on": null}')
    context = Context("read", lambda: library, lambda: llm)
    state = RagState(question="Which report is by Ada Meyer in 2021?")
    update = Registry.installed().nodes["self-query"](state, context, fields=["author", "year"])
    assert context.notes == ["author: Ada Meyer and year: 2021"]
    narrowed = state.model_copy(update=dict(update))
    assert Registry.installed().predicates["narrowed"](narrowed)
    assert not Registry.installed().predicates["narrowed"](state)
    assert RagState.model_validate_json(narrowed.model_dump_json()) == narrowed
    (hit,) = Registry.installed().nodes["hybrid"](narrowed, Context("find", lambda: library))["documents"]
    assert hit.document.id == "2"


def test_a_search_beside_the_reading_of_conditions_is_a_race() -> None:
    graph: dict[str, Any] = {
        "nodes": {"read": "self-query", "find": "hybrid"},
        "flow": ["start -> read -> find -> end"],
    }
    assert check(graph) == []
    graph["flow"] = ["start -> [read, find] -> end"]
    assert list(map(str, check(graph))) == [
        "nodes.find.use: reads where while 'read', on another branch, may be writing it; let one come after the other"
    ]


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with ChatLocal(n_ctx=1024) as llm:
        yield llm


@pytest.mark.model
def test_the_embedded_model_always_chooses_one_of_the_readings(library: Corpus, llm: ChatLocal) -> None:
    question = "What did Ada Meyer or Tom Rossi say about Danish wind between 2015 and 2021?"
    metadata = [document.metadata for document in library.get(library.ids())]
    for seed in range(4):
        wild = llm.model_copy(update={"temperature": 2.0, "top_p": 1.0, "seed": seed})
        found = self_query(question, library, wild)
        assert not any("cannot be read" in note or "does not say" in note for note in found.notes)
        assert library.count(found.where) == sum(map(matcher(found.where), metadata)) > 0


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What did Ada Meyer write in 2021?", ["2"]),
        ("Which reports are not in Danish?", ["1", "3"]),
        ("Reports by Ada Meyer from before 2018", ["0"]),
        ("Which reports were written between 2017 and 2022?", ["1", "2"]),
    ],
)
def test_the_embedded_model_reads_plain_questions(
    library: Corpus, llm: ChatLocal, question: str, found: list[str]
) -> None:
    where = self_query(question, library, llm, fields=["author", "year", "language"]).where
    assert sorted(str(hit.document.id) for hit in library.search("report", where=where)) == found

"""What is part of the input by which a node's result is kept: another one is another input."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from counted import Called, finder, one
from fakes import HashingEmbedder
from kittens import cat, graph
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus
from ragloom.rag.generate import gather
from ragloom.rag.generate.types import Answer
from ragloom.rag.graph import Context, RagGraph, RagState, Turn, Update, Verdict, node, predicate
from ragloom.rag.graph.state import GIVEN
from ragloom.rag.retrieve import QueryVector
from ragloom.stores.embedder import Fingerprint
from ragloom.stores.types import Hit


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "new" / "nodes.sqlite"


def test_another_question_is_another_input(called: Called, cache: Path) -> None:
    running = one(finder(called.find), cache)
    for question in ("Who?", "What?", "Who?", "who?"):
        assert running.invoke(question).documents[0].document.page_content.startswith(question)
    assert called.times == 3


def test_a_node_of_another_name_finds_candidates_of_its_own(called: Called, cache: Path) -> None:
    one(finder(called.find), cache).invoke("Who?")
    assert list(one(finder(called.find), cache, name="b").invoke("Who?").candidates) == ["b"]


def test_what_a_node_does_not_read_does_not_matter(called: Called, cache: Path) -> None:
    running = one(finder(called.find), cache)
    running.invoke("Who?")
    running.invoke({"question": "Who?", "history": [Turn("user", "Hi.")]})
    assert called.times == 1
    reading = one(cat("find", called.find, reads=["query", "history"], writes=["candidates", "documents"]), cache)
    reading.invoke("What?")
    reading.invoke({"question": "What?", "history": [Turn("user", "Hi.")]})
    assert called.times == 3


HITS = [Hit(Document(text), 0.5, 1) for text in ("Toad.", "Rat.")]
TWO_OF: dict[str, tuple[Any, Any]] = {
    "question": ("Who?", "What?"),
    "history": ([Turn("user", "Hi.")], []),
    "query": ("Toad", "Rat"),
    "vector": (QueryVector("Toad", (0.6, 0.8), Fingerprint("tiny", 2, "")), None),
    "subquestions": (["Who is Toad?"], []),
    "drafts": (["Toad."], []),
    "where": ({"year": 1908}, {}),
    "candidates": ({"give": HITS[:1]}, {"give": HITS[1:]}),
    "documents": (HITS[:1], HITS[1:]),
    "evidence": tuple(gather("Who?", [hit.document], HashingEmbedder()) for hit in HITS),
    "quotes": tuple(Answer(text, (), (), "unknown") for text in ("Who?", "What?")),
    "answer": tuple(Answer(text, (), (), "unknown") for text in ("Who?", "What?")),
    "memory": ([HITS[0].document], [HITS[1].document]),
    "verdicts": ([Verdict("1", 0.5)], [Verdict("1", -0.5)]),
    "route": ("north", "south"),
    "extra": ({"x": {"deep": [1]}}, {"x": {"deep": [2]}}),
}


@pytest.mark.parametrize("field", TWO_OF)
def test_every_field_that_a_node_reads_is_part_of_its_input(field: str, cache: Path) -> None:
    """The caller gives the fields that come before any node; the others a node gives that is not cached."""
    key = "extra.x" if field == "extra" else field
    given: list[Any] = []
    times: list[str] = []
    running = graph(
        "start -> give -> look -> end",
        cat("give", lambda state, context: {field: given[-1]}, writes=[key]) if field not in GIVEN else cat("give"),
        cat("look", lambda state, context: times.append(field), reads=[key]),
        settings={"look": {"cache": True}},
        cache=cache,
    )
    for value in (*TWO_OF[field], *TWO_OF[field]):
        given.append(value)
        running.invoke({"question": "Who?", **({field: value} if field in GIVEN else {})})
    assert len(times) == 2


def test_there_are_two_of_every_field() -> None:
    assert set(TWO_OF) == set(RagState.model_fields) - {"trace"}, "what nodes did is no input of the next one"


def test_parameters_are_part_of_the_input(cache: Path) -> None:
    times = []

    @node("count", writes=["extra.n"])
    def count(state: RagState, context: Context, *, n: int = 1, names: list[str] | None = None) -> Update:
        """Count."""
        times.append(n)
        return {"extra": {"n": n}}

    for params in ({}, {"n": 1}, {"n": 2}, {"n": 2, "names": ["a"]}, {"n": 2}):
        one(count, cache, **params).invoke("Who?")
    assert times == [1, 2, 2]


def test_the_corpus_is_part_of_the_input(corpus: Corpus, cache: Path, called: Called) -> None:
    @node("find", reads=["query"], writes=["candidates", "documents"], needs=["corpus"])
    def find(state: RagState, context: Context) -> Update:
        """Find."""
        return called.find(state, context)

    corpus.add(["Toad."])
    running = one(find, cache, corpus=corpus)
    running.invoke("Who?")
    running.invoke("Who?")
    assert called.times == 1
    corpus.add(["Rat."])
    running.invoke("Who?")
    assert called.times == 2


class Settled(FakeListChatModel):
    """A model with settings that it does not tell of, as users' models often do not."""

    temperature: float = 0.0

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {}


@node("speak", writes=["extra.said"], needs=["llm"])
def speak(state: RagState, context: Context) -> Update:
    """Speak."""
    return {"extra": {"said": context.llm.invoke(state.query).text}}


def test_the_llm_is_part_of_the_input(cache: Path) -> None:
    def said(llm: FakeListChatModel) -> Any:
        return one(speak, cache, llm=llm).invoke("Who?").extra["said"]

    assert said(FakeListChatModel(responses=["Toad."])) == "Toad."
    assert said(FakeListChatModel(responses=["Rat."])) == "Rat."
    model = FakeListChatModel(responses=["Toad.", "never said"])
    assert (said(model), said(model)) == ("Toad.", "Toad.")


def test_other_settings_of_an_llm_are_other_input_though_it_does_not_tell_of_them(cache: Path) -> None:
    for temperature, reply in ((0.0, "cold"), (0.7, "warm")):
        running = one(speak, cache, llm=Settled(responses=[reply], temperature=temperature))
        assert running.invoke("Who?").extra["said"] == reply


def test_a_node_type_that_a_function_makes_is_another_with_other_values(cache: Path) -> None:
    def shout(mark: str) -> Any:
        @node("shout", writes={"query"})
        def shouting(state: RagState, context: Context) -> Update:
            """Shout."""
            return {"query": state.question + mark}

        return shouting

    assert [one(shout(mark), cache).invoke("Who").query for mark in "!?!"] == ["Who!", "Who?", "Who!"]


def test_a_node_type_of_a_notebook_is_another_once_it_was_changed(cache: Path) -> None:
    cell = (
        "@node('shout', writes={'query'})\n"
        "def shouting(state: RagState, context: Context) -> Update:\n"
        "    'Shout.'\n"
        "    return {'query': state.question + %r}\n"
    )
    said = []
    for mark in "!?":
        names: dict[str, Any] = {"node": node, "RagState": RagState, "Context": Context, "Update": Update}
        exec(compile(cell % mark, "<cell>", "exec"), names)
        said.append(one(names["shouting"], cache).invoke("Who").query)
    assert said == ["Who!", "Who?"]


def test_models_under_one_relative_path_are_told_apart(tmp_path: Path, corpus: Corpus) -> None:
    made = []
    for name in ("old", "new"):
        folder = tmp_path / name / "judge"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(name)
        written = tmp_path / name / "words.yaml"
        written.write_text(
            "nodes: {find: lexical, rank: {use: cross-encoder, model: ./judge}}\nflow: [start -> find -> rank -> end]\n"
        )
        made.append(RagGraph(written, corpus=corpus).fingerprint())
    assert made[0] != made[1]
    (folder / "weights").write_text("newer")
    assert RagGraph(written, corpus=corpus).fingerprint() != made[1]


def test_a_predicate_that_was_changed_makes_another_graph(corpus: Corpus) -> None:
    made = []
    for least in (3, 4):

        @predicate("long")
        def long(state: RagState) -> bool:
            """Whether it is long."""
            return len(state.question) > least  # noqa: B023

        spec = {
            "nodes": {"find": "hybrid"},
            "flow": ["start -> find", {"from": "find", "when": "long", "then": "end", "else": "end"}],
        }
        made.append(RagGraph(spec, types=[long], corpus=corpus).fingerprint())
    assert made[0] != made[1]


OWN = """
from ragloom.rag.graph import node

@node("own", writes={"extra.own"})
def own(state, context):
    "Say it."
    return {"extra": {"own": LIMIT}}

LIMIT = 1
"""

ASKING = """
import sys
from ragloom.rag.graph import RagGraph
from mine import own
graph = {"nodes": {"own": {"use": "own", "cache": True}}, "flow": ["start -> own -> end"]}
print(RagGraph(graph, types=[own], cache="kept.sqlite").invoke("Who?").extra)
"""


def test_a_type_whose_code_has_changed_is_run_again(tmp_path: Path) -> None:
    def said(code: str) -> str:
        (tmp_path / "mine.py").write_text(code)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        command = [sys.executable, "-c", ASKING]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert [said(OWN), said(OWN.replace("LIMIT = 1", "LIMIT = 2"))] == ["{'own': 1}", "{'own': 2}"]

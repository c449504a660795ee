"""What graphs have in common is worked out once, and costs each of them what it would cost alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from asked import DATASET, fill, quick
from fakes import HashingEmbedder
from kittens import asks, cat
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom.rag.evaluate import Dataset, Given, evaluate
from ragloom.rag.evaluate.shared import _identity
from ragloom.rag.graph import Context, NodeType, RagState, node
from ragloom.rag.llm import load
from ragloom.stores import Corpus
from ragloom.stores.types import Hit

pytest.importorskip("ir_measures", reason="the extra 'eval' is not installed")


@pytest.fixture
def willows(corpus: Corpus) -> Corpus:
    return fill(corpus)


class Counting:
    """Node types that count how often they are called, and with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def type(self, name: str, *, reads: str = "query", writes: str) -> NodeType:
        def count(state: RagState, context: Context) -> Any:
            self.calls.append((context.node, state.question))
            return {"extra": {writes: context.node}}

        return cat(name, count, reads=[reads], writes=[f"extra.{writes}"])


def three(last: str) -> dict[str, Any]:
    return {
        "nodes": {"find": "find", "weigh": "weigh", last: last},
        "flow": [f"start -> find -> weigh -> {last} -> end"],
    }


def test_what_graphs_have_in_common_is_worked_out_once() -> None:
    counting = Counting()
    types = [
        counting.type("find", writes="found"),
        counting.type("weigh", reads="extra.found", writes="weighed"),
        counting.type("tell", reads="extra.weighed", writes="told"),
        counting.type("sing", reads="extra.weighed", writes="sung"),
    ]
    result = evaluate({"a": three("tell"), "b": three("sing"), "c": three("sing")}, DATASET, Given(types=types))
    asked = [question.text for question in DATASET.questions]
    first, second, third = (
        ("find", "weigh", "tell", "sing"),
        ("find", "weigh", "sing", "tell"),
        ("find", "weigh", "sing"),
    )
    orders = zip(asked, (first, second, (*third, "tell")), strict=True)
    assert counting.calls == [(name, text) for text, names in orders for name in names]
    assert [[each.node for each in record.trace] for record in result["c"].records] == [["find", "weigh", "sing"]] * 3


def test_a_shared_result_costs_every_graph_what_making_it_cost(willows: Corpus) -> None:
    result = evaluate({"a": quick(), "b": quick(), "c": quick()}, DATASET, Given(willows))
    for place, runs in enumerate(zip(*(outcome.records for outcome in result.values()), strict=True)):
        made, shared, again = (runs[(place + turn) % 3] for turn in range(3))  # another one begins each time
        assert shared.trace == again.trace
        for own, each in zip(made.trace, shared.trace, strict=True):
            assert each.detail == f"{own.detail}; from the cache".removeprefix("; ")
            assert 0 < each.milliseconds <= own.milliseconds
        assert any(each.detail for each in made.trace)


def test_an_llms_tokens_are_counted_for_every_graph_that_uses_what_it_wrote() -> None:
    @node("write", reads=["query"], writes=["extra.text"], needs={"llm"})
    def write(state: RagState, context: Context) -> Any:
        """Let the LLM write."""
        message = context.llm.invoke(state.query)
        return {"extra": {"text": message.text}}

    class Told(FakeListChatModel):
        def _generate(self, *args: Any, **options: Any) -> Any:
            given = super()._generate(*args, **options)
            given.generations[0].message.usage_metadata = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
            return given

    written = {"nodes": {"write": "write"}, "flow": ["start -> write -> end"]}
    llm = Told(responses=[f"reply {number}" for number in range(9)])
    result = evaluate({"a": written, "b": written}, DATASET, Given(llm=llm, types=[write]))
    for outcome in result.values():
        assert (outcome.mean("tokens in"), outcome.mean("tokens out")) == (7, 2)
    assert llm.i == len(DATASET)


def test_documents_to_the_llm_are_those_that_it_was_given() -> None:
    @node("find", reads=["query"], writes=["documents"])
    def find(state: RagState, context: Context) -> Any:
        """Find three documents, two of which are long."""
        words = ("Toad steals a car.", "Rat rows. " * 90, "Mole paints. " * 90)
        return {"documents": [Hit(Document(text), 1.0, rank) for rank, text in enumerate(words, start=1)]}

    @node("judge", reads=["documents"], writes=["documents"], needs={"llm"})
    def judge(state: RagState, context: Context) -> Any:
        """Keep the documents that the LLM has read."""
        return {"documents": state.documents[:2]}

    nodes = {"find": "find", "judge": "judge", "draft": {"use": "cited", "max_prompt_tokens": 100}}
    graphs = {
        "draft": {"nodes": {**nodes}, "flow": ["start -> find -> judge -> draft -> end"]},
        "shared": {"nodes": {**nodes}, "flow": ["start -> find -> judge -> draft -> end"]},
        "none": {"nodes": {"find": "find"}, "flow": ["start -> find -> end"]},
    }
    result = evaluate(graphs, DATASET, Given(llm=FakeListChatModel(responses=["Toad. [1]"]), types=[find, judge]))
    for name in ("draft", "shared"):
        assert [each.documents_read for each in result[name].records[0].trace] == [0, 3, 1]  # one fits into the prompt
        assert result[name].mean("documents to the LLM") == 4
    assert "documents to the LLM" not in result["none"].measures


def test_a_node_that_runs_again_in_one_run_is_not_given_its_first_result() -> None:
    times: list[int] = []

    def count(state: RagState, context: Context) -> Any:
        times.append(len(times))
        return {"extra": {"n": len(times)}}

    looping = {
        "nodes": {"again": "again"},
        "flow": [
            "start -> again",
            {"from": "again", "when": "on", "then": "again", "at_most": 2, "else": "end"},
        ],
    }
    evaluate(
        looping,
        Dataset("one", DATASET.questions[:1]),
        Given(types=[cat("again", count, writes=["extra.n"]), asks("on", lambda _state: True)]),
    )
    assert len(times) == 3


def test_each_question_begins_with_another_graph(willows: Corpus) -> None:
    order: list[str] = []

    def tell(state: RagState, context: Context) -> None:
        order.append(context.node)

    graphs = {name: {"nodes": {name: "tell"}, "flow": [f"start -> {name} -> end"]} for name in "abc"}
    evaluate(graphs, DATASET, Given(types=[cat("tell", tell)]))
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


def test_nodes_of_corpora_in_other_languages_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())
    told: list[str] = []

    def tell(state: RagState, context: Context) -> Any:
        told.append(context.language)
        return {"extra": {"language": context.language}}

    graphs = {}
    for language in ("en", "de"):
        with Corpus(tmp_path / language, embedder=HashingEmbedder(), language=language) as corpus:
            fill(corpus)
        graphs[language] = {"corpus": str(tmp_path / language), **quick()}
        graphs[language] |= {"nodes": {"tell": "tell", **quick()["nodes"]}}
        graphs[language] |= {"flow": ["start -> tell -> retrieve -> evidence -> quote -> end"]}
    one = Dataset("one", DATASET.questions[:1])
    evaluate(graphs, one, Given(types=[cat("tell", tell, reads=["query"], writes=["extra.language"])]))
    assert told == ["en", "de"]


def test_values_of_other_types_are_not_the_same() -> None:
    values: list[Any] = [True, 1, 1.0, {}, [], (), "1", None]
    assert len({_identity(value) for value in values}) == len(values)


@pytest.mark.model
def test_graphs_that_share_an_llm_cost_what_they_cost_alone(willows: Corpus) -> None:
    def cited(length: int) -> dict[str, Any]:
        nodes = {"find": {"use": "lexical", "k": 1}, "draft": {"use": "cited", "max_answer_tokens": length}}
        return {"nodes": nodes, "flow": ["start -> find -> draft -> end"]}

    asked = Dataset("two", DATASET.questions[:2])
    with load("embedded", n_ctx=1024) as llm:
        together = evaluate({"a": cited(3), "b": cited(4)}, asked, Given(willows, llm))
        alone = evaluate({"b": cited(4)}, asked, Given(willows, llm))
    reused = [outcome.mean("tokens reused") for outcome in (together["a"], together["b"], alone["b"])]
    assert reused == [0, 0, 0]


@pytest.mark.model
def test_the_embedded_llm_is_loaded_once_and_its_tokens_are_told(willows: Corpus) -> None:
    def cited(k: int) -> dict[str, Any]:
        nodes = {"find": {"use": "dense", "k": k}, "draft": {"use": "cited", "max_answer_tokens": 8}}
        return {"llm": "embedded", "nodes": nodes, "flow": ["start -> find -> draft -> end"]}

    asked = Dataset("two", DATASET.questions[:2])
    with patch("ragloom.rag.llm.loading.load", wraps=load) as loading:
        result = evaluate({"one": cited(1), "three": cited(3)}, asked, Given(willows))
    assert loading.call_count == 1
    assert result["three"].mean("tokens in") > result["one"].mean("tokens in") > 0
    assert 0 < result["one"].mean("tokens out") <= 8
    assert result["one"].mean("documents to the LLM") == 1
    assert result["one"].records[0].trace[1].documents_read == 1
    assert result["one"].nodes()[1]["tokens_out"] > 0

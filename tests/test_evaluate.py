"""An evaluation asks all graphs the same, does nothing twice, survives being killed, and says what it found."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import yaml
from asked import DATASET, TEXTS, fill, quick
from fakes import HashingEmbedder
from kittens import asks, cat
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom.rag.evaluate import (
    Dataset,
    EvaluateError,
    Given,
    Progress,
    Question,
    Record,
    Result,
    evaluate,
    index_documents,
)
from ragloom.rag.evaluate.graphs import named
from ragloom.rag.evaluate.log import RunLog
from ragloom.rag.evaluate.shared import _identity
from ragloom.rag.generate import Answer
from ragloom.rag.generate.types import Statement
from ragloom.rag.graph import Context, NodeType, RagState, SpecError, node
from ragloom.rag.llm import load
from ragloom.stores import Corpus
from ragloom.stores.types import Hit, Source

pytest.importorskip("ir_measures", reason="the extra 'eval' is not installed")


@pytest.fixture
def willows(corpus: Corpus) -> Corpus:
    return fill(corpus)


def test_graphs_are_measured_on_the_same_questions(willows: Corpus) -> None:
    result = evaluate({"loose": quick(), "strict": quick(quote={"min_confidence": 2.0})}, DATASET, Given(willows))
    assert list(result) == ["loose", "strict"]
    loose, strict = result["loose"], result["strict"]
    assert (loose.mean("nDCG@10"), loose.mean("token recall"), loose.mean("answered")) == (1, 1, 1)
    assert (strict.mean("answered"), strict.mean("declined")) == (0, 1)
    lost = strict.less(loose, "token recall")
    assert (lost.value, lost.is_clear) == (-1, True)
    with pytest.raises(KeyError, match="did you mean 'strict'"):
        result["strikt"]
    with pytest.raises(EvaluateError, match="unknown measure 'F2'"):
        loose.mean("F2")


def test_the_table_has_a_row_for_each_measure_and_graph(willows: Corpus) -> None:
    result = evaluate({"a": quick(), "b": quick(quote={"min_confidence": 2.0})}, DATASET, Given(willows))
    rows = {(row["measure"], row["graph"]): row for row in result.table()}
    assert rows["F1", "b"]["difference"] == rows["F1", "b"]["value"] - rows["F1", "a"]["value"]
    assert ("K-precision", "b") not in rows  # it said nothing
    order = [row["measure"] for row in result.table() if row["graph"] == "a"]
    assert order[:3] == ["nDCG@10", "R@10", "P@10"]
    assert order[-2:] == ["ms p50", "ms p95"]


def test_rows_become_a_data_frame(willows: Corpus) -> None:
    pytest.importorskip("pandas")
    frame = evaluate({"a": quick(), "b": quick()}, DATASET, Given(willows)).to_pandas()
    assert frame.groupby("graph")["F1"].mean()["a"] == frame.groupby("graph")["F1"].mean()["b"]
    assert len(frame) == 2 * len(DATASET)


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


def test_a_question_that_fails_does_not_end_the_others() -> None:
    def trip(state: RagState, context: Context) -> None:
        if "Mole" in state.question:
            raise ValueError("there are no moles")

    tripping = {"nodes": {"trip": "trip"}, "flow": ["start -> trip -> end"]}
    outcome = evaluate({"a": tripping}, DATASET, Given(types=[cat("trip", trip)]))["a"]
    assert [bool(record.error) for record in outcome.records] == [False, True, False]
    assert "there are no moles" in outcome.records[1].error
    assert outcome.mean("failed") == pytest.approx(1 / 3)


def test_a_second_evaluation_reads_what_the_first_has_kept(
    willows: Corpus, embedder: HashingEmbedder, tmp_path: Path
) -> None:
    first = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    embedded = embedder.embedded
    told: list[Progress] = []
    again = evaluate({"a": quick(), "b": quick(quote={"spread": 0.5})}, DATASET, Given(willows), out=tmp_path / "out",
                     on_progress=told.append)  # fmt: skip
    assert again["a"].records == first["a"].records
    assert [each.done for each in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].seconds_left == 0
    assert embedder.embedded > embedded  # for b
    embedded = embedder.embedded
    third = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    assert (third["a"].records, embedder.embedded) == (first["a"].records, embedded)


def test_what_has_changed_is_asked_anew(willows: Corpus, tmp_path: Path) -> None:
    first = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    other = evaluate({"a": quick(retrieve={"k": 1})}, DATASET, Given(willows), out=tmp_path / "out")
    assert [len(record.documents) for record in other["a"].records[:2]] == [1, 1]
    willows.add(["Badger's grandmother is buried in the wood."])
    third = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    assert first["a"].records[2].documents != third["a"].records[2].documents


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from asked import DATASET, fill, quick
from fakes import HashingEmbedder
from ragloom.rag.evaluate import Given, evaluate
from ragloom.rag.llm import load
from ragloom.stores import Corpus

def stop(progress):
    if progress.done == 2:
        with open(sys.argv[2] + "/out/runs.jsonl", "ab") as file:
            file.write(b'{"graph": "a", "ques')
        os.kill(os.getpid(), signal.SIGKILL)

with Corpus(sys.argv[2] + "/index", embedder=HashingEmbedder()) as corpus:
    fill(corpus)
    evaluate({"a": quick()}, DATASET, Given(corpus), out=sys.argv[2] + "/out", on_progress=stop)
"""


@pytest.mark.kill
def test_an_evaluation_goes_on_where_a_killed_one_stopped(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, here, str(tmp_path)], check=False, timeout=250)
    assert killed.returncode == -signal.SIGKILL
    runs = tmp_path / "out" / "runs.jsonl"
    kept = [json.loads(line) for line in runs.read_text().splitlines()[:-1]]
    assert [run["question"] for run in kept] == ["toad", "mole"]
    with Corpus(tmp_path / "index", embedder=HashingEmbedder()) as corpus:
        result = evaluate({"a": quick()}, DATASET, Given(corpus), out=tmp_path / "out")
    assert [record.model_dump(mode="json") for record in result["a"].records[:2]] == kept
    assert len(runs.read_text().splitlines()) == 3


def test_a_file_of_something_else_is_refused(willows: Corpus, tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text('{"cats": 3}\n')
    with pytest.raises(EvaluateError, match=r"runs\.jsonl:1: is not a run"):
        evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)


def test_what_json_cannot_hold_does_not_end_an_evaluation(tmp_path: Path) -> None:
    def say(state: RagState, context: Context) -> Any:
        words = "half a \ud83d character"
        return {
            "documents": [Hit(Document(words), score, 1) for score in (float("nan"), float("inf"))],
            "answer": Answer(state.question, (Statement(words),), (), "cited", float("nan")),
        }

    graph, types = (
        {"nodes": {"say": "say"}, "flow": ["start -> say -> end"]},
        [cat("say", say, writes=["documents", "answer"])],
    )
    evaluate({"a": graph}, DATASET, Given(types=types), out=tmp_path)
    again = evaluate(
        {"a": graph}, DATASET, Given(types=[cat("say", say, writes=["documents", "answer"])]), out=tmp_path
    )
    assert len((tmp_path / "runs.jsonl").read_text("utf-8").splitlines()) == len(DATASET)
    assert math.isnan(again["a"].records[0].documents[0].score)
    assert again["a"].records[0].words == "half a ? character"


def test_a_graph_that_only_searches_has_no_answers_even_where_it_fails() -> None:
    def trip(state: RagState, context: Context) -> Any:
        if "Mole" in state.question:
            raise ValueError("there are no moles")
        return {"documents": [Hit(Document("Toad."), 1.0, 1)]}

    searching = {"nodes": {"trip": "trip"}, "flow": ["start -> trip -> end"]}
    outcome = evaluate({"a": searching}, DATASET, Given(types=[cat("trip", trip, writes=["documents"])]))["a"]
    assert outcome.mean("failed") == pytest.approx(1 / 3)
    assert not {"EM", "F1", "answered", "declined"} & set(outcome.measures)


def test_numbers_of_numpy_are_numbers_and_what_is_none_fails_one_run(tmp_path: Path) -> None:
    confidences: dict[str, Any] = {"toad": np.float32(0.5), "mole": object()}

    def say(state: RagState, context: Context) -> Any:
        name = "mole" if "Mole" in state.question else "toad"
        return {"answer": Answer(state.question, (Statement("Toad."),), (), "cited", confidences[name])}

    graph, type_ = {"nodes": {"say": "say"}, "flow": ["start -> say -> end"]}, cat("say", say, writes=["answer"])
    records = evaluate({"a": graph}, DATASET, Given(types=[type_]), out=tmp_path)["a"].records
    assert [bool(record.error) for record in records] == [False, True, False]
    assert "cannot be written down" in records[1].error
    kept = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [(each["answer"] or {}).get("confidence") for each in kept] == [0.5, None, 0.5]


def test_a_folder_that_another_evaluation_writes_to_is_refused(willows: Corpus, tmp_path: Path) -> None:
    with RunLog(tmp_path / "runs.jsonl"), pytest.raises(EvaluateError, match="another evaluation is writing in"):
        evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)
    assert evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)["a"].records


def test_a_broken_line_costs_one_run(willows: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)
    file = tmp_path / "runs.jsonl"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join([lines[0], lines[1][:40] + "\n", lines[2]]), "utf-8")
    assert len(evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)["a"].records) == 3
    assert caplog.messages == [f"{file}:2: is not a run, and is made again"]
    assert len(file.read_text("utf-8").splitlines()) == 4


def test_progress_tells_of_documents_and_leaves_out_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())
    own = Dataset("own", DATASET.questions, tuple(Source(name, text) for name, text in TEXTS.items()))
    evaluate({"a": quick()}, own, out=tmp_path)
    told: list[Progress] = []
    evaluate({"b": quick(quote={"spread": 0.5}), "a": quick()}, own, out=tmp_path, on_progress=told.append)
    assert [each.done for each in told] == [1, 2, 3, 4, 5, 6]
    assert [math.isnan(each.seconds_left) for each in told] == [True] * 3 + [False] * 3  # the first run loads models
    assert [each.seconds_left > 0 for each in told[3:]] == [True, False, False]  # the fifth is the last of b's
    evaluate({"a": quick()}, own, out=tmp_path / "new", on_progress=told.append)
    assert (told[6].what, told[6].done, told[6].total) == ("pieces of documents", 3, 3)


def test_what_only_a_later_graph_has_is_compared_with_nothing() -> None:
    def trip(state: RagState, context: Context) -> None:
        raise ValueError("no moles")

    types = [cat("trip", trip), cat("rest", lambda _state, _context: None)]
    graphs = {name: {"nodes": {name: name}, "flow": [f"start -> {name} -> end"]} for name in ("rest", "trip")}
    (row,) = [row for row in evaluate(graphs, DATASET, Given(types=types)).table() if row["measure"] == "failed"]
    assert (row["graph"], row["difference"]) == ("trip", 1)


def test_each_question_begins_with_another_graph(willows: Corpus) -> None:
    order: list[str] = []

    def tell(state: RagState, context: Context) -> None:
        order.append(context.node)

    graphs = {name: {"nodes": {name: "tell"}, "flow": [f"start -> {name} -> end"]} for name in "abc"}
    evaluate(graphs, DATASET, Given(types=[cat("tell", tell)]))
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    files = [tmp_path / folder / "words.yaml" for folder in ("old/x", "new/x", "new/y")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump(quick()))
    assert list(named([*files, "quick"])) == ["old/x/words", "new/x/words", "y/words", "quick"]
    with pytest.raises(EvaluateError, match="there is no graph"):
        named({})


def test_graphs_that_name_no_corpus_have_the_default_beside_those_that_do(
    tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())
    fill(corpus)
    with Corpus(tmp_path / "own", embedder=HashingEmbedder()) as own:
        own.add(["Toad will steal a banana."])
    graphs = {"own": {"corpus": str(tmp_path / "own"), **quick()}, "default": quick()}
    result = evaluate(graphs, DATASET, Given(default_corpus=corpus.path))
    said = [result[name].records[0].documents[0].words.strip() for name in graphs]
    assert said == ["Toad will steal a banana.", TEXTS["toad.md"]]


def test_a_datasets_documents_are_indexed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = HashingEmbedder()
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: embedder)
    own = Dataset("own", DATASET.questions, tuple(Source(name, text) for name, text in TEXTS.items()))
    result = evaluate({"a": quick()}, own, out=tmp_path)
    assert result["a"].mean("nDCG@10") == 1
    embedded = embedder.embedded
    with index_documents(own, tmp_path / "index") as corpus:
        assert (len(corpus), embedder.embedded) == (3, embedded)
    with pytest.raises(EvaluateError, match="has questions but no documents"):
        index_documents(DATASET, tmp_path / "other")


def test_the_index_follows_the_datasets_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())

    def steals(*documents: Source) -> list[str]:
        result = evaluate({"a": quick()}, Dataset("own", DATASET.questions[:1], documents), out=tmp_path)
        return [each.words.strip() for each in result["a"].records[0].documents]

    assert steals(Source("a", "Toad will steal a motor-car."), Source("b", "Toad sings.")) != []
    assert steals(Source("a", "Toad will steal a bicycle.")) == ["Toad will steal a bicycle."]
    assert steals(Source("c", "Toad will steal a banana.")) == ["Toad will steal a banana."]


def test_a_document_that_has_only_a_title_is_found_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())
    documents = (Source("bare", "", "Toad will steal a car"), Source("empty", " ", ""), Source("b", "Rat rows."))
    own = Dataset("own", DATASET.questions[:1], documents)
    with index_documents(own, tmp_path) as corpus:
        assert [hit.document.page_content for hit in corpus.search("toad", k=1)] == ["Toad will steal a car"]
        assert corpus.fingerprints().keys() == {"bare", "b"}


def test_a_run_that_failed_is_made_again(tmp_path: Path) -> None:
    failing = ["Mole"]

    def trip(state: RagState, context: Context) -> None:
        if any(name in state.question for name in failing):
            raise ValueError("the server is down")

    tripping, types = {"nodes": {"trip": "trip"}, "flow": ["start -> trip -> end"]}, [cat("trip", trip)]
    assert evaluate({"a": tripping}, DATASET, Given(types=types), out=tmp_path)["a"].mean("failed") > 0
    failing.clear()
    for _ in range(2):
        assert evaluate({"a": tripping}, DATASET, Given(types=types), out=tmp_path)["a"].mean("failed") == 0
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == len(DATASET) + 1


def test_a_wrong_graph_or_measure_is_told_before_anything_runs(willows: Corpus) -> None:
    with pytest.raises(SpecError, match="unknown node type"):
        evaluate({"a": quick(quote={"use": "qoute"})}, DATASET, Given(willows))
    with pytest.raises(EvaluateError, match="unknown measure"):
        evaluate({"a": quick()}, DATASET, Given(willows), retrieval=["best"])
    with pytest.raises(EvaluateError, match="empty has no questions"):
        evaluate({"a": quick()}, Dataset("empty", ()), Given(willows))
    with pytest.raises(EvaluateError, match="two graphs are called 'quick'"):
        evaluate(["quick", "quick"], DATASET, Given(willows))
    with pytest.raises(EvaluateError, match="there is no graph"):
        evaluate([], DATASET, Given(willows))


def test_a_paired_interval_is_narrower_than_that_of_either_graph() -> None:
    """What is hard for both graphs does not blur their difference."""
    hard = np.random.default_rng(0).uniform(size=200) > 0.5
    questions = tuple(Question(str(n), "Who?", ("toad mole",)) for n in range(200))
    records = []
    for graph, words in (("a", "toad"), ("b", "toad mole rat")):
        for n, is_hard in enumerate(hard):
            records.append(answered(graph, str(n), "rat" if is_hard else words))
    result = Result.of(Dataset("d", questions), records)
    gain, own = result["b"].less(result["a"], "token recall"), result["b"].estimate("token recall")
    assert gain.high - gain.low < (own.high - own.low) * 0.6
    assert gain.is_clear


def test_runs_may_be_given_in_any_order_and_the_last_of_a_question_counts() -> None:
    dataset = Dataset("d", tuple(Question(name, f"Who is {name}?", (name,)) for name in ("toad", "mole")))
    runs = [answered("a", "mole", "rat"), answered("a", "mole", "mole"), answered("a", "toad", "a toad")]
    result = Result.of(dataset, runs)
    assert [record.question for record in result["a"].records] == ["toad", "mole"]
    assert result["a"].mean("EM") == 1
    with pytest.raises(EvaluateError, match="a has no run of the question 'toad' of d"):
        Result.of(dataset, runs[:2])


def answered(graph: str, question: str, words: str) -> Record:
    answer = {"question": "Who?", "statements": [{"text": words}], "citations": [], "how": "cited"}
    return Record.model_validate({"graph": graph, "question": question, "made_with": "", "answer": answer})


def test_another_prompt_is_asked_anew(willows: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    monkeypatch.setattr("ragloom.rag.graph.running.caching.prompts_fingerprint", lambda: "others")
    evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    assert len((tmp_path / "out" / "runs.jsonl").read_text().splitlines()) == 2 * len(DATASET)


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

"""An evaluation asks all graphs the same, and says what it found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from asked import DATASET, TEXTS, fill, quick
from fakes import HashingEmbedder
from kittens import asks, cat
from langchain_core.documents import Document
from ragloom.rag.evaluate import (
    Dataset,
    EvaluateError,
    Given,
    Question,
    Record,
    Relevant,
    Result,
    evaluate,
    index_documents,
)
from ragloom.rag.evaluate.graphs import named
from ragloom.rag.graph import Context, RagGraph, RagState, SpecError
from ragloom.stores import Corpus
from ragloom.stores.types import Hit, Source

pytest.importorskip("ir_measures", reason="the extra 'eval' is not installed")


@pytest.fixture
def willows(corpus: Corpus) -> Corpus:
    return fill(corpus)


def test_graphs_are_measured_on_the_same_questions(willows: Corpus) -> None:
    result = evaluate({"loose": quick(), "strict": quick(quote={"min_confidence": 1.0})}, DATASET, Given(willows))
    assert list(result) == ["loose", "strict"]
    loose, strict = result["loose"], result["strict"]
    assert (loose.mean("nDCG@10"), loose.mean("token recall"), loose.mean("answered")) == (1, 1, 1)
    assert (strict.mean("answered"), strict.mean("declined")) == (0, 1)
    assert strict.less(loose, "token recall").value == -1
    with pytest.raises(KeyError, match="did you mean 'strict'"):
        result["strikt"]
    with pytest.raises(EvaluateError, match="unknown measure 'F2'"):
        loose.mean("F2")


@pytest.mark.parametrize(("questions", "is_clear"), [(5, False), (6, True)])
def test_of_few_questions_there_is_no_interval(willows: Corpus, questions: int, is_clear: bool) -> None:
    several = Dataset("several", tuple(replace(DATASET.questions[0], id=str(place)) for place in range(questions)))
    result = evaluate({"loose": quick(), "strict": quick(quote={"min_confidence": 1.0})}, several, Given(willows))
    assert result["strict"].less(result["loose"], "F1").is_clear == is_clear
    assert np.isnan(result["loose"].estimate("F1").low) == (not is_clear)


def test_a_graph_that_may_end_without_an_answer_is_measured_where_it_does(willows: Corpus) -> None:
    ending = quick()
    ending["flow"] = [
        "start -> retrieve -> evidence",
        {"from": "evidence", "when": "hopeless", "then": "end", "else": "quote"},
        "quote -> end",
    ]
    ended = evaluate({"a": ending}, DATASET, Given(willows, types=[asks("hopeless", lambda _: True)]))["a"]
    declining = evaluate({"a": quick(quote={"min_confidence": 1.0})}, DATASET, Given(willows))["a"]
    assert [run.answer for run in ended.records] == [None, None, None]
    for measure in ("answered", "declined", "F1"):
        assert ended.mean(measure) == declining.mean(measure)


def test_the_table_has_a_row_for_each_measure_and_graph(willows: Corpus) -> None:
    result = evaluate({"a": quick(), "b": quick(quote={"min_confidence": 1.0})}, DATASET, Given(willows))
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


def test_a_question_that_fails_does_not_end_the_others() -> None:
    def trip(state: RagState, context: Context) -> None:
        if "Mole" in state.question:
            raise ValueError("there are no moles")

    tripping = {"nodes": {"trip": "trip"}, "flow": ["start -> trip -> end"]}
    outcome = evaluate({"a": tripping}, DATASET, Given(types=[cat("trip", trip)]))["a"]
    assert [bool(record.error) for record in outcome.records] == [False, True, False]
    assert "there are no moles" in outcome.records[1].error
    assert outcome.mean("failed") == pytest.approx(1 / 3)


def test_a_graph_that_only_searches_has_no_answers_even_where_it_fails() -> None:
    def trip(state: RagState, context: Context) -> Any:
        if "Mole" in state.question:
            raise ValueError("there are no moles")
        return {"documents": [Hit(Document("Toad."), 1.0, 1)]}

    searching = {"nodes": {"trip": "trip"}, "flow": ["start -> trip -> end"]}
    outcome = evaluate({"a": searching}, DATASET, Given(types=[cat("trip", trip, writes=["documents"])]))["a"]
    assert outcome.mean("failed") == pytest.approx(1 / 3)
    assert not {"EM", "F1", "answered", "declined"} & set(outcome.measures)


def test_what_only_a_later_graph_has_is_compared_with_nothing() -> None:
    def trip(state: RagState, context: Context) -> None:
        raise ValueError("no moles")

    types = [cat("trip", trip), cat("rest", lambda _state, _context: None)]
    graphs = {name: {"nodes": {name: name}, "flow": [f"start -> {name} -> end"]} for name in ("rest", "trip")}
    (row,) = [row for row in evaluate(graphs, DATASET, Given(types=types)).table() if row["measure"] == "failed"]
    assert (row["graph"], row["difference"]) == ("trip", 1)


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


def test_a_corpus_of_the_user_s_own_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())
    with Corpus(tmp_path / "index") as own:
        own.add(["Badger sleeps in the wild wood."])
    data = Dataset("own", DATASET.questions, tuple(Source(name, text) for name, text in TEXTS.items()))
    with pytest.raises(EvaluateError, match="is a corpus of your own"):
        evaluate({"a": quick()}, data, out=tmp_path)
    with Corpus(tmp_path / "index") as own:
        assert [hit.document.page_content for hit in own.search("badger", k=1)] == ["Badger sleeps in the wild wood."]


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


def answered(
    graph: str, question: str, words: str, *, confidence: float | None = None, tokens: int | None = None
) -> Record:
    answer = {"question": "Who?", "statements": [{"text": words}], "citations": [], "how": "cited"}
    trace = [] if tokens is None else [{"node": "draft", "milliseconds": tokens, "tokens_in": tokens}]
    told = {"graph": graph, "question": question, "made_with": "", "trace": trace}
    return Record.model_validate({**told, "answer": {**answer, "confidence": confidence}})


def test_a_share_that_is_all_or_nothing_has_an_interval_all_the_same(willows: Corpus) -> None:
    several = Dataset("several", tuple(replace(DATASET.questions[0], id=str(place)) for place in range(6)))
    outcome = evaluate({"a": quick()}, several, Given(willows))["a"]
    answered = outcome.estimate("answered")
    assert (answered.value, answered.high) == (1, 1)
    assert answered.low == pytest.approx(6 / (6 + 1.96**2), abs=1e-3)
    equal = outcome.less(outcome, "answered")
    assert (equal.value, equal.low) == (0, -equal.high)
    assert equal.high == pytest.approx(1.96**2 / (6 + 1.96**2), abs=1e-3)
    assert outcome.less(outcome, "documents to the LLM").high == 0


def test_confidences_that_all_agree_leave_room_for_doubt() -> None:
    questions = tuple(Question(str(n), "Who?", answerable=n < 6) for n in range(12))
    records = [answered("a", str(n), "toad", confidence=0.9 if n < 6 else 0.1) for n in range(12)]
    found = Result.of(Dataset("d", questions), records)["a"].estimate("abstention AUC")
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(6 / (6 + 1.96**2), abs=1e-3)


def test_a_graph_that_fails_where_it_is_dear_is_not_cheaper() -> None:
    questions = tuple(Question(str(n), "Who?") for n in range(20))
    cost = {n: 1000 if n >= 10 else 100 for n in range(20)}
    records = [answered(graph, str(n), "toad", tokens=cost[n]) for graph in "ab" for n in range(20)]
    records[30:] = [record.model_copy(update={"error": "no room", "answer": None}) for record in records[30:]]
    result = Result.of(Dataset("d", questions), records)
    for measure in ("tokens in", "ms p50"):
        gain = result["b"].less(result["a"], measure)
        assert (gain.value, gain.is_clear) == (0, False)
    assert result["b"].mean("tokens in") == 100


def test_scores_are_written_question_by_question(willows: Corpus, tmp_path: Path) -> None:
    result = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    lines = (tmp_path / "out" / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == result.rows()


def test_evidence_that_no_index_has_is_told(willows: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    names = [str(name) for name in willows.fingerprints()]
    relevant = tuple(Relevant(name) for name in (names[0], f"{names[0]}x", *(f"no{place}" for place in range(6))))
    dataset = Dataset("typo", (Question("1", "What does Toad steal?", relevant=relevant),))
    evaluate({"a": quick()}, dataset, Given(willows))
    told = [message for message in caplog.messages if message.startswith("typo: ")]
    assert (
        told[0] == f"typo: the evidence {names[0] + 'x'!r} names no document of the index; did you mean {names[0]!r}?"
    )
    assert (len(told), told[-1]) == (6, "typo: and 2 others")


def test_a_wrong_graph_is_told_before_documents_are_indexed(tmp_path: Path) -> None:
    dataset = Dataset("own", DATASET.questions, (Source("a", "Toad steals a motor-car."),))
    with pytest.raises(SpecError, match="unknown key 'kk'"):
        evaluate({"a": quick(retrieve={"kk": 3})}, dataset, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_dataset_or_no_description_of_a_graph_is_told(willows: Corpus) -> None:
    wrong: Any = [Question("1", "a?")]
    with pytest.raises(EvaluateError, match="a dataset is a Dataset or its path, not list"):
        evaluate("quick", wrong, Given(willows))
    ready: Any = RagGraph(quick(), corpus=willows)
    with pytest.raises(EvaluateError, match="give the graph's preset, YAML file or spec, not a RagGraph"):
        evaluate(ready, DATASET, Given(willows))

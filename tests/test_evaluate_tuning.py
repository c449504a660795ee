"""Tuning finds better settings where there are some, says what they gain on other questions, and writes them down."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from asked import DATASET, fill, quick
from kittens import cat
from ragloom.rag.evaluate import Dataset, EvaluateError, Given, Question, Search, SpaceError, Tuned, tune
from ragloom.rag.evaluate.tuning.search import Trial
from ragloom.rag.evaluate.tuning.space import read_space
from ragloom.rag.evaluate.tuning.writing import as_yaml
from ragloom.rag.graph import RagGraph, check, load_spec
from ragloom.stores import Corpus
from ragloom.stores.types import Source

pytest.importorskip("optuna", reason="the extra 'eval' is not installed")

TRAIN, TEST = (Dataset(name, (question,)) for name, question in zip(("train", "test"), DATASET.questions, strict=False))

STRICT = quick(quote={"min_confidence": 1.0})

SPACE = {"nodes.quote.min_confidence": [0.0, 0.99], "nodes.quote.max_sentences": [1, 2]}


def tuned(corpus: Corpus, graph: Any = STRICT, space: Any = SPACE, **options: Any) -> Tuned:
    search = Search(space, **{"measure": "token recall", "seconds": 60, **options})
    return tune(graph, TRAIN, TEST, search, Given(fill(corpus)))


def test_the_best_settings_are_found_and_measured_on_other_questions(corpus: Corpus) -> None:
    found = tuned(corpus)
    assert len(found.trials) == 5  # as it is written, and all four
    assert found.best.settings["nodes.quote.min_confidence"] == 0.0
    assert found.spec.nodes["quote"].params["min_confidence"] == 0.0
    assert (found.train_gain.value, found.test_gain.value) == (1, 1)
    assert list(found.test) == ["as written", "tuned"]


def test_a_graph_that_is_best_as_it_is_stays_so(corpus: Corpus) -> None:
    found = tuned(corpus, quick(), {"nodes.quote.min_confidence": [0.99, 0.995]})
    assert found.best.settings == {}
    assert found.spec == load_spec(quick())
    assert (list(found.test), found.test_gain.value) == (["as written"], 0)


def test_the_budget_ends_the_search(corpus: Corpus) -> None:
    assert len(tuned(corpus, seconds=1e-9).trials) == 1
    assert len(tuned(corpus, trials=2).trials) == 3


def test_all_are_tried_where_there_is_time(corpus: Corpus) -> None:
    found = tuned(corpus, space={"nodes.retrieve.k": {"low": 1, "high": 40}})
    assert {trial.settings.get("nodes.retrieve.k") for trial in found.trials} == {None, *range(1, 41)}


def test_any_measure_of_retrieval_can_be_tuned_for(corpus: Corpus) -> None:
    assert tuned(corpus, measure="nDCG@5", trials=1).test["as written"].mean("nDCG@5") == 1


def test_node_types_of_one_s_own_may_be_tried(corpus: Corpus) -> None:
    types = [cat(name, lambda state, _context: {"query": state.question}, writes=["query"]) for name in ("one", "two")]
    graph = quick()
    graph["nodes"]["first"] = "one"
    graph["flow"] = ["start -> first -> retrieve -> evidence -> quote -> end"]
    search = Search({"nodes.first.use": ["one", "two"]}, "F1", seconds=60)
    assert len(tune(graph, TRAIN, TEST, search, Given(fill(corpus), types=types)).trials) == 3


def test_trials_keep_nothing_open(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[RagGraph] = []
    beginning = RagGraph.__enter__

    def enter(graph: RagGraph) -> RagGraph:
        opened.append(graph)
        assert sum(not each._resources.is_closed for each in opened) <= 3  # as written, this trial or the best
        return beginning(graph)

    monkeypatch.setattr(RagGraph, "__enter__", enter)
    assert len(tuned(corpus).trials) == 5
    assert len(opened) == 7
    assert all(each._resources.is_closed for each in opened)


def test_equal_seeds_try_the_same(corpus: Corpus) -> None:
    space = {"nodes.quote.min_confidence": {"low": 0.0, "high": 1.0}}
    one, other = (tuned(corpus, space=space, trials=4, seed=7) for _ in range(2))
    assert [trial.settings for trial in one.trials] == [trial.settings for trial in other.trials]


def test_a_measure_of_which_less_is_better_is_made_small(corpus: Corpus) -> None:
    questions = DATASET.questions
    train, test = Dataset("train", questions[:2]), Dataset("test", questions[2:])
    found = tune(quick(retrieve={"k": 3}), train, test, Search({"nodes.retrieve.k": [1, 2]}, "ms p50", seconds=60),
                 Given(fill(corpus)))  # fmt: skip
    assert found.best.value == min(trial.value for trial in found.trials)


def test_settings_under_which_more_questions_fail_are_not_cheap_but_have_no_value(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Corpus.search

    def fail(self: Corpus, query: str, *, k: int, **options: Any) -> Any:
        if k == 1 and "Mole" in query:
            raise ValueError("out of memory")
        return search(self, query, k=k, **options)

    monkeypatch.setattr(Corpus, "search", fail)
    train, test = Dataset("train", DATASET.questions[:2]), Dataset("test", DATASET.questions[2:])
    search_for = Search({"nodes.retrieve.k": [1]}, "ms p50", seconds=60)
    found = tune(quick(), train, test, search_for, Given(fill(corpus)))
    assert [trial.failed for trial in found.trials] == [0, 0.5]
    assert math.isnan(found.trials[1].value)
    assert found.best.settings == {}


def test_settings_that_do_not_go_together_do_not_end_the_search(
    corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    nodes = {**quick()["nodes"], "fuse": {"use": "rrf", "of": ["retrieve"]}}
    graph = {"nodes": nodes, "flow": ["start -> retrieve -> fuse -> evidence -> quote -> end"]}
    space = {"nodes.fuse.use": ["rrf", "fuse"], "nodes.fuse.rank_constant": [20, 60]}
    found = tuned(corpus, graph, space)
    without = [trial for trial in found.trials if math.isnan(trial.value)]
    assert [(len(found.trials), trial.failed) for trial in without] == [(5, 1), (5, 1)]
    assert {trial.settings["nodes.fuse.use"] for trial in without} == {"fuse"}
    assert [message.partition(" cannot be run: ")[0] for message in caplog.messages] == [
        str(dict(trial.settings)) for trial in without
    ]


def test_more_reuse_is_better_and_fewer_tokens_are() -> None:
    measures = ("tokens reused", "tokens in", "ms p95", "F1")
    assert [Search({}, measure, seconds=1).is_lower_better for measure in measures] == [False, True, True, False]


def test_what_trials_have_in_common_is_worked_out_once(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    search = Corpus.search

    def count(self: Corpus, query: str, **options: Any) -> Any:
        asked.append(query)
        return search(self, query, **options)

    monkeypatch.setattr(Corpus, "search", count)
    tuned(corpus)
    assert asked == [TRAIN.questions[0].text, TEST.questions[0].text]


@pytest.mark.parametrize("measure", ["accuracy", "K-precision"])
def test_a_setting_that_answers_nothing_is_tried_and_not_chosen(corpus: Corpus, measure: str) -> None:
    found = tuned(corpus, quick(), {"nodes.quote.min_confidence": [0.0, 0.99, 1.0]}, measure=measure)
    assert sorted(math.isnan(trial.value) for trial in found.trials) == [False, False, True, True]
    assert not math.isnan(found.best.value)


def test_a_gain_that_cannot_be_told_is_written_so(corpus: Corpus, tmp_path: Path) -> None:
    train = replace(TRAIN, questions=DATASET.questions)
    test = Dataset("test", (Question("q", "Qqqq zzzz?", ("x",)),))  # nothing is found for it
    found = tune(quick(), train, test, Search({"nodes.quote.max_sentences": [2, 3]}, "accuracy", seconds=60),
                 Given(fill(corpus)))  # fmt: skip
    written = as_yaml(found, source="x", data="y", folder=tmp_path)
    assert "accuracy on other questions: cannot be told" in written
    assert "nan" not in written


def test_a_measure_that_the_test_cannot_tell_is_refused_before_the_search(corpus: Corpus) -> None:
    bare = Dataset("bare", (Question("q", "Who sings?"),))
    for measure in ("F1", "abstention AUC", "nDCG@10"):
        with pytest.raises(EvaluateError, match=f"{measure!r} cannot be told of the questions of bare"):
            tune(STRICT, TRAIN, bare, Search(SPACE, measure, seconds=1), Given(corpus))


def test_a_question_of_both_parts_is_refused(corpus: Corpus) -> None:
    again = Dataset("again", (Question("another id", "what does Toad  steal?", ("a motor-car",)),))
    for test in (TRAIN, again):
        with pytest.raises(
            EvaluateError, match=r"the question '.* steal\?' is in both train and test, as all of train are"
        ):
            tune(STRICT, TRAIN, test, Search(SPACE, "F1", seconds=1), Given(fill(corpus)))
    numbered = (Dataset("lines", (replace(each.questions[0], id="2"),)) for each in (TRAIN, TEST))
    assert tune(STRICT, *numbered, Search(SPACE, "F1", seconds=1, trials=1), Given(corpus)).trials
    with pytest.raises(EvaluateError, match="'MAP' cannot be told of this graph"):
        tune(STRICT, Dataset("bare", DATASET.questions[2:]), TEST, Search(SPACE, "MAP", seconds=1), Given(corpus))


def test_documents_of_the_test_s_own_are_refused_without_a_corpus_that_has_them(corpus: Corpus) -> None:
    train, test = (replace(each, documents=(Source(each.name, f"Of {each.name}."),)) for each in (TRAIN, TEST))
    with pytest.raises(EvaluateError, match="test has other documents than train"):
        tune(STRICT, train, test, Search(SPACE, "F1", seconds=1))
    assert tune(STRICT, train, test, Search(SPACE, "F1", seconds=1, trials=1), Given(fill(corpus))).trials


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("nodes.quote.max_sentences: 3", "1: nodes.quote.max_sentences: should be a list of values"),
        ("nodes.quote.max_sentences: []", "1: nodes.quote.max_sentences: should be a list of values"),
        ("\nnodes.qoute.spread: [1]", "2: nodes.qoute.spread: unknown node 'qoute'; did you mean 'quote'"),
        ("nodes.quote.spraed: [1]", "1: nodes.quote.spraed: unknown key 'spraed'; did you mean 'spread'"),
        ("nodes.quote.spread: [0.1, wide]", "1: nodes.quote.spread: "),
        ("nodes.quote.spread: {low: -1, high: 1}", "1: nodes.quote.spread: "),
        ("nodes.quote.spread: {low: 1, high: 1}", "1: nodes.quote.spread: low should be below high"),
        ("nodes.quote.spread: {low: 0, high: 1, log: true}", "1: nodes.quote.spread: low should be below high"),
        ("nodes.quote.spread: {low: 0, hgih: 1}", "1: nodes.quote.spread: unknown key 'hgih'; did you mean 'high'"),
        ("quote.spread: [1]", "1: quote.spread: a setting is written nodes.NODE.KEY"),
        ("[1]", " a space is a mapping"),
        ("{}", " nothing may vary"),
    ],
)
def test_what_is_wrong_with_a_space_is_told_with_its_line(tmp_path: Path, space: str, told: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(space)
    with pytest.raises(SpaceError) as caught:
        read_space(file, load_spec(quick()), check)
    assert str(caught.value).startswith(f"{file}:{told}")


def test_a_space_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("a: [")
    with pytest.raises(SpaceError) as caught:
        read_space(file, load_spec(quick()), check)
    assert str(caught.value).startswith(f"{file}:2: not valid YAML")


def test_a_space_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"cannot read .*nowhere\.yaml"):
        read_space(tmp_path / "nowhere.yaml", load_spec(quick()), check)


def test_the_tuned_graph_says_what_it_gained_and_is_a_graph(corpus: Corpus, tmp_path: Path) -> None:
    written = as_yaml(tuned(corpus), source="strict.yaml", data="willows train (1)", folder=tmp_path)
    comment = [line for line in written.splitlines() if line.startswith("#")]
    assert comment[0] == "# Tuned from strict.yaml for token recall on willows train (1), 5 trials."
    assert comment[1].startswith("# Changed: nodes.quote.min_confidence: 0.0, nodes.quote.max_sentences: ")
    assert comment[3] == "# token recall on other questions: +1.000 (too few questions to tell from chance)."
    assert yaml.safe_load(written)["nodes"]["quote"]["min_confidence"] == 0.0
    (tmp_path / "tuned.yaml").write_text(written)
    assert RagGraph(tmp_path / "tuned.yaml", corpus=corpus).invoke("What does Mole paint?").answer is not None


def test_paths_lead_to_the_same_places_from_another_folder(corpus: Corpus, tmp_path: Path) -> None:
    fill(corpus)
    file = tmp_path / "graph.yaml"
    file.write_text(yaml.safe_dump({"corpus": "index", **STRICT}))
    found = tune(file, TRAIN, TEST, Search(SPACE, "F1", seconds=60), Given(corpus))
    beside = yaml.safe_load(as_yaml(found, source="x", data="y", folder=tmp_path))
    apart = yaml.safe_load(as_yaml(found, source="x", data="y", folder=tmp_path / "out"))
    assert beside["corpus"] == {"path": "index"}
    assert apart["corpus"] == {"path": str(tmp_path / "index")}


def test_questions_that_are_tested_are_not_chosen_by(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    both = Dataset("both", (*TRAIN.questions, replace(TEST.questions[0], id="again")))
    found = tune(STRICT, both, TEST, Search(SPACE, "token recall", seconds=60), Given(fill(corpus)))
    assert caplog.messages == ["1 of 2 training questions are in test, too, and left out"]
    assert found.best.telling == 1


def test_a_search_that_is_interrupted_is_tested_as_far_as_it_came(
    corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Trial] = []

    def interrupt(trial: Trial) -> None:
        seen.append(trial)
        if len(seen) == 3:
            raise KeyboardInterrupt

    found = tune(
        STRICT, TRAIN, TEST, Search(SPACE, "token recall", seconds=60), Given(fill(corpus)), on_trial=interrupt
    )
    assert (found.trials, next(iter(found.test))) == (tuple(seen), "as written")
    assert caplog.messages == ["the search was ended after 3 trials; now comes the test"]

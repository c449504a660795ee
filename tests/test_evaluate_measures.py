"""Each measure says what its paper says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.evaluate import EvaluateError, Found, Question, Record, Relevant
from ragloom.rag.evaluate.bootstrap import auc, draws, fewest, interval, mean, of_percentile, once, percentile
from ragloom.rag.evaluate.measures import score, wording
from ragloom.rag.evaluate.measures.ranking import RETRIEVAL, check_measures
from ragloom.rag.generate.types import Answer, Citation, Statement, unknown
from ragloom.rag.graph import NodeTrace

pytest.importorskip("ir_measures", reason="the extra 'eval' is not installed")

ASKED = Question("1", "Who?", ("Mr. Toad",), (Relevant("a.md"), Relevant("b.md", 10, 20, grade=2)))


def found(name: str, start: int = 0, end: int = 30, words: str = "") -> Found:
    return Found(id=f"{name}-{start}", source_id=f"/x/{name}", source=name, start=start, end=end, score=1, words=words)


def record(*documents: Found, answer: Answer | None = None, **fields: object) -> Record:
    made = Record(graph="g", question="1", made_with="", documents=documents, answer=answer)
    return made.model_copy(update=fields)


def said(text: str, *citations: Citation, confidence: float | None = None) -> Answer:
    return Answer("Who?", (Statement(text),), citations, "grounded", confidence)


def cite(name: str, start: int, end: int) -> Citation:
    return Citation(f"/x/{name}", name, "", (), start, end, "")


def scores(question: Question, run: Record) -> dict[str, float]:
    return score([(question, run)])[0]


@pytest.mark.parametrize(
    ("answer", "exact", "f1", "recall"),
    [
        ("The MR Toad!", 1, 1, 1),
        ("It was Toad.", 0, 0.4, 0.5),
        ("it was mr toad who did it", 0, 4 / 9, 1),
        ("nobody", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_words_are_compared_as_squad_does(answer: str, exact: float, f1: float, recall: float) -> None:
    golds = ["Mr. Toad"]
    assert wording.exact_match(answer, golds) == exact
    assert wording.f1(answer, golds) == pytest.approx(f1)
    assert wording.recall(answer, golds) == recall
    assert wording.f1(answer, ["Rat", *golds]) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [("US", "U.S."), ("1000", "1,000"), ("9 am", "9 a.m."), ("motorcar", "a motor-car"), ("an  Apple,", "apple")],
)
def test_punctuation_is_deleted_before_articles_are(answer: str, gold: str) -> None:
    assert wording.exact_match(answer, [gold]) == wording.f1(answer, [gold]) == wording.contains(answer, [gold]) == 1


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("父母可享受十六周带薪假期。", "十六周"),
        ("The employee’s bonus is paid in May.", "employee's bonus"),
        ("Das ist der „Elternzeit-Antrag“.", "Elternzeit-Antrag"),
        ("แมวนอนหลับบนโซฟา", "โซฟา"),
    ],
)
def test_the_same_words_are_the_same_in_any_script(answer: str, gold: str) -> None:
    assert wording.contains(answer, [gold]) == wording.recall(answer, [gold]) == 1


def test_what_is_nothing_but_punctuation_stands_in_no_answer() -> None:
    assert wording.contains("Toad.", ["..."]) == wording.contains(".", ["..."]) == 0


def test_saying_nothing_is_no_right_answer() -> None:
    assert (wording.exact_match("", ["A"]), wording.contains(" ", ["the"])) == (0, 0)
    assert wording.exact_match("A", ["A"]) == 1


def test_a_part_of_a_word_is_not_the_word() -> None:
    assert wording.contains("the toads sing", ["toad"]) == 0
    assert wording.contains("a toad sings", ["The Toad"]) == 1


@given(st.text(), st.text())
def test_f1_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert wording.f1(one, [other]) == pytest.approx(wording.f1(other, [one]))
    assert 0 <= wording.f1(one, [other]) <= 1


def test_a_relevant_document_counts_once_where_its_first_passage_stands() -> None:
    run = record(found("c.md"), found("a.md"), found("a.md", 30, 60), found("b.md", 15, 40))
    got = scores(ASKED, run)
    assert got["R@10"] == 1
    assert got["MRR@10"] == 0.5
    best = 2 + 1 / math.log2(3)
    assert got["nDCG@10"] == pytest.approx((1 / math.log2(3) + 2 / math.log2(4)) / best)


def test_a_passage_beside_the_span_is_not_relevant() -> None:
    assert scores(ASKED, record(found("b.md", 20, 40)))["R@10"] == 0
    assert scores(ASKED, record(found("b.md", 19, 40)))["R@10"] == 0.5
    assert scores(ASKED, record())["nDCG@10"] == 0


def test_a_document_is_known_by_the_end_of_its_path() -> None:
    assert Relevant("b/a.md").is_at(["/x/b/a.md"], 0, 1)
    assert not Relevant("a.md").is_at(["/x/aa.md"], 0, 1)


def test_another_measure_may_be_asked_for_and_an_unknown_one_is_refused() -> None:
    pair = (ASKED, record(found("a.md")))
    assert score([pair], retrieval=["R@1"])[0]["R@1"] == 0.5
    with pytest.raises(EvaluateError, match="unknown measure 'precise'"):
        score([pair], retrieval=["precise"])


def test_a_measure_that_cannot_be_calculated_is_refused_before_anything_runs() -> None:
    check_measures(RETRIEVAL)
    with pytest.raises(EvaluateError, match="the measure 'alpha_nDCG@10' cannot be calculated here"):
        check_measures(["alpha_nDCG@10"])


def test_two_names_of_one_measure_have_the_same_value() -> None:
    names = ["MRR@10", "RR@10", "MAP", "AP"]
    got = score([(ASKED, record(found("c.md"), found("a.md")))], retrieval=names)[0]
    assert [got[name] for name in names] == [0.5, 0.5, 0.25, 0.25]


def test_no_answer_to_an_answerable_question_scores_nothing_and_claims_nothing() -> None:
    got = scores(ASKED, record(answer=unknown("Who?", confidence=0.2)))
    assert (got["answered"], got["EM"], got["F1"], got["confidence"]) == (0, 0, 0, 0.2)
    assert not {"K-precision", "citation precision", "accuracy", "declined"} & set(got)


def test_what_cannot_be_answered_should_be_declined() -> None:
    nobody = Question("1", "Who?", answerable=False)
    assert scores(nobody, record(answer=unknown("Who?")))["declined"] == 1
    got = scores(nobody, record(answer=said("Toad.")))
    assert (got["declined"], got["accuracy"]) == (0, 0)


def test_citations_are_held_against_what_is_known_to_answer() -> None:
    answer = said("Mr Toad does.", cite("a.md", 0, 5), cite("c.md", 0, 5))
    got = scores(ASKED, record(found("a.md", words="Mr Toad sings"), answer=answer))
    assert (got["citation precision"], got["citation recall"], got["accuracy"]) == (0.5, 0.5, 1)
    assert scores(ASKED, record(answer=said("Toad.")))["citation recall"] == 0


def test_k_precision_is_the_share_of_the_answer_that_the_documents_have() -> None:
    got = scores(ASKED, record(found("a.md", words="Toad sings."), answer=said("Toad sings loud songs.")))
    assert got["K-precision"] == 0.5


def test_costs_are_those_of_the_trace() -> None:
    trace = (
        NodeTrace("find", 5.0),
        NodeTrace("draft", 20.0, tokens_in=9, tokens_out=3, tokens_reused=4, documents_read=2),
    )
    got = scores(ASKED, record(trace=trace))
    assert (got["ms"], got["tokens in"], got["tokens out"], got["tokens reused"]) == (25, 9, 3, 4)
    assert got["documents to the LLM"] == 2
    assert "ms" not in scores(ASKED, record(trace=trace, is_first=True))


def test_a_failed_run_found_and_said_nothing() -> None:
    got = scores(ASKED, record(error="out of memory"))
    assert (got["failed"], got["nDCG@10"], got["F1"], got["answered"]) == (1, 0, 0, 0)
    assert "ms" not in got
    assert scores(Question("1", "Who?", answerable=False), record(error="x"))["declined"] == 0


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    confidences, answerable = np.array([0.9, 0.5, 0.5, 0.1, math.nan]), np.array([True, True, False, False, True])
    pairs = [(0.9, 0.5), (0.9, 0.1), (0.5, 0.5), (0.5, 0.1)]
    expected = np.mean([(yes > no) + 0.5 * (yes == no) for yes, no in pairs])
    assert auc(confidences, answerable, once(5)) == [expected]
    assert np.isnan(auc(confidences, np.ones(5, bool), once(5))).all()


MAYBE = st.one_of(st.just(math.nan), st.integers(0, 5).map(float))


@given(
    st.lists(st.tuples(MAYBE, st.booleans(), st.integers(0, 3)), min_size=1, max_size=12), st.sampled_from([5, 50, 95])
)
def test_what_was_drawn_twice_counts_as_two_questions(rows: list[tuple[float, bool, int]], percent: int) -> None:
    values, kinds, times = (np.array(column) for column in zip(*rows, strict=True))
    drawn, kind = np.repeat(values, times), np.repeat(kinds, times)
    known = drawn[~np.isnan(drawn)]
    expected = np.percentile(known, percent) if len(known) else math.nan
    row = times[None].astype(float)
    assert percentile(percent)(values, row)[0] == pytest.approx(expected, nan_ok=True)
    assert mean(values, row)[0] == pytest.approx(known.mean() if len(known) else math.nan, nan_ok=True)
    alone = auc(drawn, kind, once(len(drawn)))[0]
    assert auc(values, kinds, row)[0] == pytest.approx(alone, nan_ok=True)


def test_the_interval_of_a_mean_is_about_two_standard_errors_around_it() -> None:
    values = np.random.default_rng(1).normal(size=400)
    low, high = interval(mean(values, draws(400)), 400)
    error = values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.02)


def test_evidence_that_is_named_twice_counts_once() -> None:
    twice = Question("1", "Who?", relevant=(Relevant("a.md"), Relevant("a.md")))
    assert scores(twice, record(found("a.md"), found("c.md")))["P@10"] == pytest.approx(0.1)


def test_a_citation_of_a_chunk_that_is_evidence_is_right() -> None:
    asked = Question("1", "Who?", ("Toad",), (Relevant("a.md-0"),))
    told = scores(asked, record(found("a.md", 0, 30), answer=said("Toad", cite("a.md", 5, 9))))
    assert (told["citation precision"], told["citation recall"]) == (1, 1)
    elsewhere = scores(asked, record(found("a.md", 0, 30), answer=said("Toad", cite("a.md", 40, 50))))
    assert elsewhere["citation precision"] == 0


@pytest.mark.parametrize("questions", [6, 10, 20])
def test_an_interval_misses_in_about_one_of_twenty_cases(questions: int) -> None:
    random, times = np.random.default_rng(0), draws(questions)
    missed = 0
    for _ in range(500):
        low, high = interval(mean(random.normal(size=questions), times), questions)
        missed += not low <= 0 <= high
    assert 0.02 < missed / 500 < 0.08


@pytest.mark.parametrize(("percent", "quantile", "questions"), [(50, 0.0, 6), (50, 0.0, 20), (95, 1.645, 72)])
def test_the_interval_of_a_percentile_misses_no_oftener(percent: int, quantile: float, questions: int) -> None:
    random = np.random.default_rng(0)
    found = [of_percentile(random.normal(size=questions), percent) for _ in range(500)]
    assert 0.01 < np.mean([not low <= quantile <= high for low, high in found]) < 0.07


@pytest.mark.parametrize("percent", [50, 95])
def test_of_too_few_values_a_percentile_has_no_interval(percent: int) -> None:
    values = np.arange(100.0)
    assert not np.isnan(of_percentile(values[: fewest(percent)], percent)).any()
    assert np.isnan(of_percentile(values[: fewest(percent) - 1], percent)).all()


@pytest.mark.parametrize("name", ["nDCG@0", "R@0", "MRR@0"])
def test_a_measure_of_no_documents_is_refused_before_it_ends_the_process(name: str) -> None:
    with pytest.raises(EvaluateError, match=f"'{name}' looks at the first 0 documents"):
        check_measures([name])

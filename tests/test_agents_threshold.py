"""MAIN-RAG's threshold: what the paper leaves open, and what is done about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.agents.threshold import decide

SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


def test_documents_at_the_mean_or_above_are_kept_best_first() -> None:
    decision = decide([0.0, 3.0, 1.0, 2.0, -1.0])
    assert (decision.threshold, decision.mean) == (1.0, 1.0)
    assert decision.kept == (1, 3, 2)
    assert decision.dropped == (0, 4)


def test_sigma_is_that_of_the_population() -> None:
    decision = decide([1.0, 3.0], n=1)
    assert decision.sigma == 1.0  # of a sample it would be 1.41
    assert decision.threshold == 1.0
    assert decision.kept == (1, 0)


def test_n_relaxes_the_threshold() -> None:
    scores = [4.0, 0.0, -1.0, -3.0]
    assert [len(decide(scores, n=n).kept) for n in (0, 0.5, 1, 2)] == [2, 3, 3, 4]


def test_a_single_document_is_kept_whatever_the_judge_says_of_it() -> None:
    decision = decide([-9.0])
    assert (decision.kept, decision.threshold, decision.sigma) == ((0,), -9.0, 0.0)


def test_the_best_are_kept_below_the_threshold_too_where_so_many_are_wanted() -> None:
    assert decide([5.0, 0.0, 1.0], min_keep=2).kept == (0, 2)
    assert decide([5.0, 0.0, 1.0], min_keep=9).kept == (0, 2, 1)


@given(st.floats(-50, 50), st.integers(1, 20))
def test_documents_with_equal_scores_are_all_kept(score: float, number: int) -> None:
    decision = decide([score] * number)
    assert decision.kept == tuple(range(number))
    assert decision.threshold == score


@given(SCORES, st.floats(0, 3), st.integers(1, 5))
def test_the_best_document_is_always_kept_and_none_gets_lost(scores: list[float], n: float, min_keep: int) -> None:
    decision = decide(scores, n=n, min_keep=min_keep)
    assert sorted((*decision.kept, *decision.dropped)) == list(range(len(scores)))
    assert scores[decision.kept[0]] == max(scores)
    assert len(decision.kept) >= min(min_keep, len(scores))
    ranked = [scores[at] for at in (*decision.kept, *decision.dropped)]
    assert ranked == sorted(scores, reverse=True)
    assert all(scores[at] < decision.threshold for at in decision.dropped)


@given(SCORES, st.floats(0, 3))
def test_a_higher_n_never_keeps_less(scores: list[float], n: float) -> None:
    kept = decide(scores, n=n).kept
    assert kept == pytest.approx(decide(scores, n=n + 0.5).kept[: len(kept)])

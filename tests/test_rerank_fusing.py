"""Fusion of several lists: by rank and by normalised score, weighted by name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.rerank import RerankError, fuse
from ragloom.rag.rerank.fusing import Scoring, with_first_stage, z_scores
from ragloom.stores.fusion import rrf

Scores = list[tuple[str, float]]

WORDS = [("a", 9.0), ("b", 8.0), ("c", 1.0)]
MEANING = [("c", 0.9), ("d", 0.1)]

lists = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1e3, 1e3), max_size=8).map(
    lambda scores: sorted(scores.items(), key=lambda pair: -pair[1])
)
METHODS: list[Scoring] = ["zscore", "rrf"]


def test_z_scores_are_added_and_a_list_gives_what_it_lacks_its_lowest() -> None:
    words = dict(zip("abc", z_scores([9, 8, 1]), strict=True))
    fused = dict(fuse({"words": WORDS, "meaning": MEANING}, {"meaning": 0.5}))
    assert fused == pytest.approx(
        {"a": words["a"] - 0.5, "b": words["b"] - 0.5, "c": words["c"] + 0.5, "d": words["c"] - 0.5}
    )


def test_ranks_are_added_with_weights_and_a_list_gives_nothing_to_what_it_lacks() -> None:
    fused = fuse({"words": WORDS, "meaning": MEANING}, {"words": 2, "meaning": 3}, "rrf")
    assert fused == [
        ("c", pytest.approx(2 / 63 + 3 / 61)),
        ("d", pytest.approx(3 / 62)),
        ("a", pytest.approx(2 / 61)),
        ("b", pytest.approx(2 / 62)),
    ]


@given(lists, lists)
def test_equal_weights_by_rank_are_reciprocal_rank_fusion(one: Scores, other: Scores) -> None:
    expected = rrf([[key for key, _ in one], [key for key, _ in other]])
    assert fuse({"one": one, "other": other}, method="rrf") == [(key, pytest.approx(score)) for key, score in expected]


@given(lists, lists, st.sampled_from(METHODS))
def test_every_document_of_any_list_comes_back_once_best_first(one: Scores, other: Scores, method: Scoring) -> None:
    fused = fuse({"one": one, "other": other}, {"one": 0.3}, method)
    assert sorted(key for key, _ in fused) == sorted({key for key, _ in (*one, *other)})
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)


@given(lists, lists, st.sampled_from(METHODS))
def test_a_list_of_weight_0_changes_no_score(one: Scores, other: Scores, method: Scoring) -> None:
    both, alone = dict(fuse({"one": one, "other": other}, {"other": 0}, method)), dict(fuse({"one": one}, None, method))
    assert {key: both[key] for key in alone} == pytest.approx(alone)


@given(lists, st.floats(0.1, 50), st.floats(-50, 50))
def test_scale_and_offset_of_a_list_do_not_matter(one: Scores, scale: float, offset: float) -> None:
    spread = np.ptp([score for _, score in one]) if one else 0
    if 0 < spread < 1e-6:
        return  # lost in the rounding
    other = [("c", 3.0), ("z", 1.0)]
    moved = [(key, score * scale + offset) for key, score in one]
    before, after = dict(fuse({"one": one, "other": other})), dict(fuse({"one": moved, "other": other}))
    assert after == pytest.approx(before, abs=1e-4)


def test_equals_keep_the_order_in_which_they_came_and_a_repeated_document_its_first_score() -> None:
    assert [key for key, _ in fuse({"x": [("b", 1.0), ("a", 1.0)], "y": [("c", 0.0)]})] == ["b", "a", "c"]
    assert fuse({"x": [("a", 5.0), ("b", 3.0), ("a", 1.0)]}) == fuse({"x": [("a", 5.0), ("b", 3.0)]})


def test_nothing_fused_is_nothing() -> None:
    assert fuse({}) == []
    assert fuse({"x": [], "y": []}) == []


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(RerankError, match="a weight for an unknown list 'wrods'; did you mean 'words'"):
        fuse({"words": WORDS}, {"wrods": 1})
    for weight in (-1, math.nan, math.inf):
        with pytest.raises(RerankError, match="the weight of 'words' is a number from 0 up, not"):
            fuse({"words": WORDS}, {"words": weight})
    with pytest.raises(RerankError, match="unknown method 'z-score'; did you mean 'zscore'"):
        fuse({"words": WORDS}, method="z-score")  # type: ignore[arg-type]


def test_scores_that_do_not_differ_say_nothing() -> None:
    assert z_scores([0.1, 0.1, 0.1]) == [0, 0, 0]
    assert z_scores([]) == []


def test_a_score_that_a_server_could_not_tell_counts_as_the_lowest() -> None:
    assert z_scores([1, -math.inf, 3, 1]) == z_scores([1, 1, 3, 1])
    assert z_scores([-math.inf, -math.inf]) == [0, 0]


def test_the_first_stage_alone_is_its_own_order() -> None:
    assert sorted(with_first_stage([1, 3, 2], 1.0), reverse=True) == with_first_stage([1, 3, 2], 1.0)
    assert with_first_stage([1, 3, 2], 0.0) == z_scores([1, 3, 2])

"""Windows that slide from the back of a list to its front, beside those of RankLLM, from which FIRST has them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.rerank.sliding import slide, spans

SIZES = st.tuples(st.integers(1, 60), st.integers(2, 26), st.integers(1, 25)).filter(lambda sizes: sizes[2] < sizes[1])


def rankllms_spans(number: int, window: int, step: int) -> list[tuple[int, int]]:
    """The loop of RankLLM's `sliding_windows`."""
    found = []
    start, end = number - window, number
    while end > 0 and start + step != 0:
        start = max(start, 0)
        found.append((start, end))
        start, end = start - step, end - step
    return found


@given(SIZES)
def test_windows_are_those_of_rankllm(sizes: tuple[int, int, int]) -> None:
    number, window, step = sizes
    reference = rankllms_spans(number, window, step)
    # RankLLM does not read a list at all that is as long as what two windows share
    assert list(spans(number, window, step)) == (reference or [(0, number)])


@given(SIZES, st.integers(0, 1000), st.sampled_from([3, 1000]))
def test_sorting_by_score_gives_the_order_of_the_last_slots(
    sizes: tuple[int, int, int], seed: int, grades: int
) -> None:
    number, window, step = sizes
    chance = random.Random(seed)
    asked: list[list[int]] = []
    told: list[list[float]] = []

    def read(places: Sequence[int]) -> list[float]:
        asked.append(list(places))
        told.append([-chance.randrange(grades) / 7 for _ in places])
        return told[-1]

    scores = slide(number, read, window=window, step=step)
    slots = list(range(number))
    for (start, end), places, window_scores in zip(spans(number, window, step), asked, told, strict=True):
        assert slots[start:end] == places
        slots[start:end] = [places[at] for at in sorted(range(len(places)), key=lambda at: -window_scores[at])]
    assert sorted(range(number), key=lambda place: -scores[place]) == slots


def test_the_scores_of_the_front_window_are_as_they_were_told() -> None:
    scores = slide(4, lambda places: [-float(place) for place in places], window=3, step=2)
    assert scores[:2] == [0, -1]


def test_a_window_is_moved_by_what_the_documents_of_two_differ() -> None:
    windows = iter([[-1.0, -2.0, -3.0], [-10.0, -5.0, -6.0]])
    assert slide(4, lambda places: next(windows), window=3, step=1) == [-10, -5, -6, -10]
    windows = iter([[-1.0, -2.0, -9.0], [-4.5, -5.0, -6.0]])
    assert slide(4, lambda places: next(windows), window=3, step=1) == [-4.5, -5, -6, -13]


@pytest.mark.parametrize("number", [1, 10, 20])
def test_what_fits_into_one_window_is_read_once(number: int) -> None:
    asked: list[int] = []
    slide(number, lambda places: [asked.append(len(places)) or 0.0] * len(places), window=20, step=10)  # type: ignore[func-returns-value]
    assert asked == [number]

"""More documents than a model reads at once are ranked in windows from the back of the list to its front."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.rerank.windows import pour, slide

SIZES = st.tuples(st.integers(1, 60), st.integers(2, 26), st.integers(1, 25)).filter(lambda sizes: sizes[2] < sizes[1])


def rankllms_spans(number: int, window: int, step: int) -> list[tuple[int, int]]:
    """The loop of RankLLM's `sliding_windows`."""
    found = []
    start, end = number - window, number
    while end > 0 and start + step != 0:
        start = max(start, 0)
        found.append((start, end))
        start, end = start - step, end - step
    # RankLLM does not read a list at all that is as long as what two windows share
    return found or [(0, number)]


@given(SIZES, st.integers(0, 1000), st.sampled_from([3, 1000]))
def test_slots_are_those_of_rankllm_and_sorting_by_score_gives_their_last_order(
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
    for (start, end), places, window_scores in zip(rankllms_spans(number, window, step), asked, told, strict=True):
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


def test_windows_that_have_nothing_in_common_are_refused() -> None:
    with pytest.raises(ValueError, match="step should be less than window=3, so that windows overlap, not 3"):
        slide(4, lambda places: [0.0] * len(places), window=3, step=3)


def test_what_there_is_room_for_is_one_window_with_the_scores_as_they_are() -> None:
    assert pour([1, 1, 1], lambda places: [float(place) for place in places], room=10) == [0.0, 1.0, 2.0]
    assert pour([9, 1], lambda places: [float(place) for place in places], room=10) == [0.0, 1.0]


def test_the_best_document_of_the_back_comes_to_the_front() -> None:
    seen: list[Sequence[int]] = []

    def read(places: Sequence[int]) -> list[float]:
        seen.append(places)
        return [float(place) for place in places]

    scores = pour([1] * 8, read, room=100, most=4)
    assert seen == [[4, 5, 6, 7], [2, 3, 6, 7], [0, 1, 6, 7]]
    assert sorted(range(8), key=lambda place: -scores[place]) == [7, 6, 5, 4, 3, 2, 1, 0]


def test_scores_of_windows_are_moved_onto_one_scale() -> None:
    """Each window has a zero of its own; the documents that two have in common tell the difference."""
    zero = iter([100.0, -50.0, 7.0])

    def read(places: Sequence[int]) -> list[float]:
        own = next(zero)
        return [own + place for place in places]

    assert pour([1] * 8, read, room=100, most=4) == [7.0 + place for place in range(8)]


def test_a_good_document_that_was_left_behind_stays_above_a_bad_one_in_front_of_it() -> None:
    relevance = [0.0, 1.0, 7.0, 8.0, 9.0, 10.0]
    assert pour([1] * 6, lambda places: [relevance[place] for place in places], room=100, most=4) == relevance


def test_a_long_document_is_carried_too_where_there_is_room_for_all() -> None:
    seen: list[Sequence[int]] = []

    def read(places: Sequence[int]) -> list[float]:
        seen.append(places)
        return [float(place) for place in places]

    pour([10, 10, 80], read, room=100, most=2)
    assert seen == [[1, 2], [0, 2]]


@given(
    lengths=st.lists(st.integers(1, 10), min_size=1, max_size=40),
    room=st.integers(20, 50),
    most=st.none() | st.integers(2, 10),
    seed=st.integers(0, 1000),
)
def test_every_document_is_read_and_no_window_is_too_full(
    lengths: list[int], room: int, most: int | None, seed: int
) -> None:
    chance = random.Random(seed)
    quality = [chance.random() for _ in lengths]
    seen: list[Sequence[int]] = []

    def read(places: Sequence[int]) -> list[float]:
        seen.append(places)
        assert sum(lengths[place] for place in places) <= room
        assert most is None or len(places) <= most
        assert list(places) == sorted(set(places))
        return [quality[place] for place in places]

    assert pour(lengths, read, room=room, most=most) == pytest.approx(quality)
    assert {place for places in seen for place in places} == set(range(len(lengths)))
    assert all(len({*before} & {*after}) <= len(before) // 2 for before, after in pairwise(seen))

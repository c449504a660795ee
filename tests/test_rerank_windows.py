"""More documents than a model reads at once are ranked in overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.rerank.windows import Window, in_windows


def test_what_fits_is_one_window_with_the_scores_as_they_are() -> None:
    merged = in_windows([1, 1, 1], lambda places: Window([float(place) for place in places], 5, 2), room=10)
    assert (merged.scores, merged.windows, merged.evaluated, merged.reused) == ([0.0, 1.0, 2.0], 1, 5, 2)


def test_the_best_document_of_the_back_comes_to_the_front() -> None:
    seen: list[Sequence[int]] = []

    def read(places: Sequence[int]) -> Window[None]:
        seen.append(places)
        return Window([float(place) for place in places])

    merged = in_windows([1] * 8, read, room=100, most=4)
    assert seen == [[4, 5, 6, 7], [2, 3, 6, 7], [0, 1, 6, 7]]
    assert merged.windows == 3
    assert sorted(range(8), key=lambda place: -merged.scores[place]) == [7, 6, 5, 4, 3, 2, 1, 0]


def test_scores_of_windows_are_moved_onto_one_scale() -> None:
    """Each window has a zero of its own; the documents that two have in common tell the difference."""
    zero = iter([100.0, -50.0, 7.0])

    def read(places: Sequence[int]) -> Window[None]:
        own = next(zero)
        return Window([own + place for place in places])

    merged = in_windows([1] * 8, read, room=100, most=4)
    assert merged.scores == [100.0 + place for place in range(8)]


@given(
    lengths=st.lists(st.integers(1, 10), max_size=40),
    room=st.integers(20, 50),
    most=st.none() | st.integers(2, 10),
    seed=st.randoms(use_true_random=False),
)
def test_every_document_is_read_and_no_window_is_too_full(
    lengths: list[int], room: int, most: int | None, seed: object
) -> None:
    quality = {place: seed.random() for place in range(len(lengths))}  # type: ignore[attr-defined]
    read_places: list[Sequence[int]] = []

    def read(places: Sequence[int]) -> Window[int]:
        read_places.append(places)
        assert sum(lengths[place] for place in places) <= room
        assert most is None or len(places) <= most
        assert list(places) == sorted(set(places))
        return Window([quality[place] for place in places], details=list(places))

    merged = in_windows(lengths, read, room=room, most=most)
    assert {place for places in read_places for place in places} == set(range(len(lengths)))
    assert merged.details == list(range(len(lengths)))
    assert merged.scores == pytest.approx(list(quality.values()))

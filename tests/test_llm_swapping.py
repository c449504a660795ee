"""What the swap space keeps of sequences that left the KV cache."""

from __future__ import annotations

import numpy as np
import pytest
from ragloom.rag.llm.batching.swapping import SwapSpace, common_prefix, is_worth_taking

STATE = np.zeros(1, np.uint8)


def held(space: SwapSpace, *sequences: list[int]) -> list[bool]:
    return [space.holds(tokens) for tokens in sequences]


def test_the_sequence_that_was_used_longest_ago_goes_first() -> None:
    space = SwapSpace(tokens=6)
    for start in (10, 20):
        space.add([start, start + 1, start + 2], STATE)
    found, length = space.longest_prefix([10, 11, 99])
    assert found is not None
    space.take(found, length)
    space.add([30, 31], STATE)
    assert held(space, [10, 11, 12], [20], [30, 31]) == [True, False, True]


def test_a_sequence_that_goes_on_takes_the_place_of_its_beginning() -> None:
    space = SwapSpace(tokens=5)
    space.add([1, 2], STATE)
    space.add([9], STATE)
    space.add([1, 2, 3, 4], STATE)
    assert held(space, [1, 2, 3, 4], [1, 2], [9]) == [True, True, True]


def test_a_sequence_that_was_taken_whole_is_there_no_more() -> None:
    space = SwapSpace(tokens=5)
    space.add([1, 2], STATE)
    found, length = space.longest_prefix([1, 2, 3])
    assert (found and found.tokens, length) == ((1, 2), 2)
    space.take(found, length)  # type: ignore[arg-type]
    assert space.longest_prefix([1, 2, 3]) == (None, 0)


def test_what_is_too_long_is_not_kept() -> None:
    space = SwapSpace(tokens=2)
    space.add([1, 2, 3], STATE)
    assert space.longest_prefix([1, 2, 3]) == (None, 0)


def test_a_few_tokens_are_not_worth_taking_back() -> None:
    space = SwapSpace(tokens=10_000)
    space.add(range(6400), STATE)
    found, _ = space.longest_prefix([0])
    assert found is not None
    assert [is_worth_taking(found, tokens) for tokens in (-1, 32, 100, 101)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("a", "b", "length"), [([], [1], 0), ([1, 2, 3], [1, 2, 4], 2), ([1, 2], [1, 2, 3], 2), ([2], [1], 0)]
)
def test_the_common_prefix_of_two_sequences(a: list[int], b: list[int], length: int) -> None:
    assert common_prefix(a, b) == common_prefix(b, a) == length

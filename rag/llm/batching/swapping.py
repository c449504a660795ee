"""Swap space: sequences that had to leave the KV cache, in the host's memory (as in vLLM, SOSP 2023, section 4.5).

Attention looks at every cell of the cache up to the last one in use, so what is kept there for later slows down what is
evaluated now: a prompt of 1,000 tokens took 1.9 s in an empty cache, 2.8 s beside 3,000 idle cells and 3.9 s beside
6,400. To put 3,300 tokens of the embedded model away took 16 ms, to take them back 9 ms, to evaluate them again 10 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORTH_SWAPPING = 256
"""Tokens; fewer are neither in the way nor worth the copying."""

_TOKENS_AS_LONG = 64  # are taken back in less time than one is evaluated; measured: 700


@dataclass(frozen=True, eq=False, slots=True)
class Swapped:
    """A sequence: its tokens, and its KV as llama.cpp saves it."""

    tokens: tuple[int, ...]
    state: NDArray[np.uint8]


class SwapSpace:
    """Swapped sequences, the one that was used last at the end; those at the front go when there are too many tokens.

    ```python
    import numpy as np
    from ragloom.rag.llm.batching.swapping import SwapSpace

    space = SwapSpace(tokens=4)
    space.add([5, 6, 7], np.zeros(9, np.uint8))
    space.add([8, 9], np.zeros(6, np.uint8))
    print(space.longest_prefix([5, 6, 7])[1], space.longest_prefix([8, 1])[1])  # -> 0 1
    ```
    """

    def __init__(self, tokens: int) -> None:
        """Hold at most so many `tokens`."""
        self._most = tokens
        self._all: list[Swapped] = []

    def add(self, tokens: Sequence[int], state: NDArray[np.uint8]) -> None:
        """Keep a sequence; what it begins with needs no place of its own any more."""
        added = Swapped(tuple(tokens), state)
        self._all = [each for each in self._all if added.tokens[: len(each.tokens)] != each.tokens]
        self._all.append(added)
        while sum(len(each.tokens) for each in self._all) > self._most:
            del self._all[0]

    def holds(self, tokens: Sequence[int]) -> bool:
        """Whether a swapped sequence begins with `tokens`."""
        wanted = tuple(tokens)
        return any(each.tokens[: len(wanted)] == wanted for each in self._all)

    def longest_prefix(self, tokens: Sequence[int]) -> tuple[Swapped | None, int]:
        """The sequence that has most of the beginning of `tokens`, and how many."""
        wanted = tuple(tokens)
        found = [(common_prefix(wanted, each.tokens), each) for each in self._all]
        length, best = max(found, key=lambda each: each[0], default=(0, None))
        return (best, length) if length else (None, 0)

    def take(self, swapped: Swapped, length: int) -> None:
        """Note that the first `length` tokens were taken back: a sequence that is whole again is not kept here, too.

        It may have had to go meanwhile, for the ones that made room for it.
        """
        if swapped in self._all:
            self._all.remove(swapped)
            if length < len(swapped.tokens):
                self._all.append(swapped)

    def clear(self) -> None:
        """Forget everything."""
        self._all.clear()


def is_worth_taking(swapped: Swapped, tokens: int) -> bool:
    """Whether it takes longer to evaluate so many `tokens` than to take the sequence back."""
    return tokens > max(WORTH_SWAPPING // 8, len(swapped.tokens) // _TOKENS_AS_LONG)


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences of the same type have in common at their beginning."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while low + 1 < high:  # a[:low] == b[:low], a[:high] != b[:high]
        middle = (low + high) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle)
    return low

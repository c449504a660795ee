"""Sliding windows: from the back of a list to its front, each puts the documents in its slots into a new order.

The order is carried: the next window begins `step` slots further to the front and sees the order that this one left. So
the best document of the back can come to the front, as in RankGPT (Sun et al. 2023, section 3.2), whose windows
RankZephyr and FIRST have too. What comes out is an order; scores of two windows have no common zero, since a document's
neighbours matter. They are put on one scale that agrees with the order:

- those of the front window stand as they were told;
- those of a window behind it are moved by what the documents that stand in both differ on average;
- and further down, where a document would otherwise come to stand above one that it was ranked behind.

Windows of `windows` are for scores that are a matter of degree and documents of any length; these are for orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean

Told = Mapping[int, float]
"""What a window told: the score of each of its places."""


def slide(number: int, read: Callable[[Sequence[int]], Sequence[float]], *, window: int, step: int) -> list[float]:
    """Rank `number` documents in windows; their scores are on one scale and agree with the order that comes out.

    ```python
    from ragloom.rag.rerank.sliding import slide

    relevance = [3, 2, 1, 4]
    print(slide(4, lambda places: [relevance[place] for place in places], window=3, step=1))  # -> [3, 2, 1.0, 4]
    ```

    Args:
        number: of documents, at least 1; those with equal scores stay in the order in which they stood.
        read: scores the documents at some places of the list, which are in the order of their slots.
        window: how many slots a window has.
        step: how many of them the next window leaves behind, less than `window`.
    """
    order = list(range(number))
    told: list[Told] = []
    for start, end in spans(number, window, step):
        places = order[start:end]
        scores = dict(zip(places, read(places), strict=True))
        order[start:end] = sorted(places, key=lambda place: -scores[place])
        told.append(scores)
    return _in_order(order, _on_one_scale(told))


def spans(number: int, window: int, step: int) -> Iterator[tuple[int, int]]:
    """The slots of each window: the first and the one after the last, from the back.

    ```python
    from ragloom.rag.rerank.sliding import spans

    print(list(spans(25, 20, 10)))  # -> [(5, 25), (0, 15)]
    ```
    """
    start, end = max(number - window, 0), number
    yield start, end
    while start:
        start, end = max(start - step, 0), end - step
        yield start, end


def _on_one_scale(told: Sequence[Told]) -> dict[int, float]:
    """Every document's score of the last window that it stood in, moved."""
    later = told[-1]
    scores, shift = dict(later), 0.0
    for earlier in reversed(told[:-1]):
        behind = [place for place in earlier if place not in later]
        shift += fmean(later[place] - earlier[place] for place in earlier if place in later)
        shift = min(shift, min(scores.values()) - max(earlier[place] for place in behind))
        scores.update((place, earlier[place] + shift) for place in behind)
        later = earlier
    return scores


def _in_order(order: Sequence[int], scores: dict[int, float]) -> list[float]:
    """The scores by place, with a hair between equals whose order is not the list's."""
    for before, after in pairwise(order):
        highest = scores[before] if before < after else math.nextafter(scores[before], -math.inf)
        scores[after] = min(scores[after], highest)
    return [scores[place] for place in range(len(order))]

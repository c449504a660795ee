"""More documents than a model reads at once: windows from the back of the list to its front.

A window is ranked, its best documents are carried into the next one, and the others are left behind. So the best
document of the back can come to the front, as in RankGPT (Sun et al. 2023, section 3.2: window 20, step 10), whose
windows RankZephyr and FIRST have too.

Scores of two windows have no common zero, since a document's neighbours matter. The documents that stand in both tell
the difference: scores of the front window stand as they were told, and those of a window behind it are moved by what
these documents differ on average. There are two kinds of windows, for two kinds of scores:

- `slide` is for orders. A window has a number of slots, and what it leaves behind stays behind all that is further to
  the front: where scores say otherwise, they are moved further down.
- `pour` is for scores that are a matter of degree, and documents of any length. A window holds what there is room for,
  and what it leaves behind may end above a document that is further to the front, where its score is higher.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

Read = Callable[[Sequence[int]], Sequence[float]]
"""Scores the documents at some places of the list, in the order in which they stand in the window."""

_Scored = dict[int, float]  # a window: the score of each of its places, in the order in which they stand


def slide(number: int, read: Read, *, window: int, step: int) -> list[float]:
    """Rank `number` documents in windows of slots; the scores agree with the order that comes out.

    ```python
    from ragloom.rag.rerank.windows import slide

    relevance = [3, 2, 1, 4]
    print(slide(4, lambda places: [relevance[place] for place in places], window=3, step=1))  # -> [3, 2, 1.0, 4]
    ```

    Args:
        number: of documents, at least 1; those with equal scores stay in the order in which they stood.
        read: scores the documents of a window: new ones, and after them the best of the window before.
        window: how many slots a window has.
        step: how many documents a window leaves behind, less than `window`.

    Raises:
        ValueError: windows do not overlap.
    """
    check_overlap(window, step)
    windows = _windows(
        number,
        read,
        take=lambda _, carried: window - len(carried),
        carry=lambda ranked: ranked[: window - step],
    )
    scores = _on_one_scale(windows, in_order=True)
    # A hair lies between equals whose order is not that of the list.
    for before, after in pairwise(_order(windows)):
        highest = scores[before] if before < after else math.nextafter(scores[before], -math.inf)
        scores[after] = min(scores[after], highest)
    return [scores[place] for place in range(number)]


def check_overlap(window: int, step: int) -> None:
    """Refuse windows that have no document in common.

    Raises:
        ValueError: they have none.
    """
    if step >= window:
        raise ValueError(f"step should be less than window={window}, so that windows overlap, not {step}")


def pour(lengths: Sequence[int], read: Read, *, room: int, most: int | None = None) -> list[float]:
    """Rank documents of `lengths`, in as few windows as hold them.

    ```python
    from ragloom.rag.rerank.windows import pour

    relevance = [3, 2, 1, 4]
    print(pour([5, 5, 5, 5], lambda places: [relevance[place] for place in places], room=10))  # -> [3, 2.0, 1.0, 4]
    ```

    Args:
        lengths: how much room each document takes, of at least one: at most half of `room`, or all together at most
            `room`.
        read: scores the documents of a window, in the order of the list.
        room: what a window holds.
        most: of how many documents a window is at most, 2 or more; None: as many as there is room for.
    """
    spare = room if sum(lengths) <= room else room // 2  # so that there is room for another one beside what is carried

    def take(waiting: Sequence[int], carried: Sequence[int]) -> int:
        left = room - sum(lengths[place] for place in carried)
        slots = len(waiting) if most is None else most - len(carried)
        return _fitting([lengths[place] for place in reversed(waiting)][:slots], left)

    def carry(ranked: Sequence[int]) -> Sequence[int]:
        better = ranked[: len(ranked) // 2]
        return sorted(better[: _fitting([lengths[place] for place in better], spare)])

    scores = _on_one_scale(_windows(len(lengths), read, take, carry))
    return [scores[place] for place in range(len(lengths))]


def _fitting(lengths: Sequence[int], room: int) -> int:
    """How many fit, from the first on."""
    for fitting, length in enumerate(lengths):
        room -= length
        if room < 0:
            return fitting
    return len(lengths)


def _windows(
    number: int,
    read: Read,
    take: Callable[[Sequence[int], Sequence[int]], int],
    carry: Callable[[Sequence[int]], Sequence[int]],
) -> list[_Scored]:
    """Read all windows, the one at the back first.

    Args:
        number: of documents.
        read: scores those of a window.
        take: how many of those that wait stand in a window, beside those that are carried into it; at least 1.
        carry: which ones of a window, best first, stand in the next one too.
    """
    waiting = list(range(number))
    carried: Sequence[int] = ()
    windows: list[_Scored] = []
    while waiting:
        waiting, taken = _parted(waiting, take(waiting, carried))
        places = [*taken, *carried]
        windows.append(dict(zip(places, read(places), strict=True)))
        carried = carry(_ranked(windows[-1]))
    return windows


def _parted(places: Sequence[int], last: int) -> tuple[list[int], list[int]]:
    at = max(len(places) - last, 0)
    return list(places[:at]), list(places[at:])


def _ranked(window: _Scored) -> list[int]:
    return sorted(window, key=lambda place: -window[place])


def _order(windows: Sequence[_Scored]) -> list[int]:
    """Each window's documents, best first, that are in no window further to the front; the front window first."""
    return list(dict.fromkeys(place for window in reversed(windows) for place in _ranked(window)))


def _on_one_scale(windows: Sequence[_Scored], *, in_order: bool = False) -> _Scored:
    """Every document's score of the last window that it stood in, moved.

    Args:
        windows: in the order in which they were read.
        in_order: move a window further down where one of its documents would stand above one in front of it.
    """
    scores, shift = dict(windows[-1]), 0.0
    for later, earlier in pairwise(reversed(windows)):
        shared = earlier.keys() & later.keys()
        if shared:
            shift += fmean(later[place] - earlier[place] for place in shared)
        behind = {place: score for place, score in earlier.items() if place not in later}
        if in_order:
            shift = min(shift, min(scores.values()) - max(behind.values()))
        scores |= {place: score + shift for place, score in behind.items()}
    return scores

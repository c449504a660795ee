"""More documents than a model reads at once: overlapping windows from the back of the list to its front.

A window is ranked, its better half stays for the next one, and the rest has its place. So the best document of the
back can come to the front, as in RankGPT (Sun et al. 2023, section 3.2: window 20, step 10).

Scores of two windows have no common zero: a document's neighbours matter. The documents that stand in both tell the
difference; the later window's scores are moved by its mean, and what was ranked earlier keeps its distances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Detail = TypeVar("Detail")


@dataclass(frozen=True, slots=True)
class Window(Generic[Detail]):
    """What one window told.

    Attributes:
        scores: one for each of its documents, higher is better.
        evaluated: tokens that a model read for this.
        reused: tokens whose KV was there already.
        details: whatever else is told of each document.
    """

    scores: Sequence[float]
    evaluated: int = 0
    reused: int = 0
    details: Sequence[Detail] = ()


@dataclass(slots=True)
class Merged(Generic[Detail]):
    """What all windows told: scores on one scale, and sums of the costs."""

    scores: list[float]
    windows: int = 0
    evaluated: int = 0
    reused: int = 0
    details: list[Detail] = field(default_factory=list)


def in_windows(
    lengths: Sequence[int],
    read: Callable[[Sequence[int]], Window[Detail]],
    *,
    room: int,
    most: int | None = None,
) -> Merged[Detail]:
    """Rank documents of `lengths`, in as few windows as hold them.

    Args:
        lengths: how much room each document takes, at most half of `room`.
        read: ranks the documents at some places, which are in the order of the list.
        room: what a window holds.
        most: of how many documents a window is at most; None: as many as there is room for.
    """
    merged: Merged[Detail] = Merged([0.0] * len(lengths))
    details: dict[int, Detail] = {}
    rest = list(range(len(lengths)))
    kept: list[int] = []
    while rest:
        places = _next(lengths, rest, kept, room, most)
        rest = rest[: len(rest) - (len(places) - len(kept))]
        window = read(places)
        shift = _shift(merged.scores, places, window.scores, set(kept))
        for at, place in enumerate(places):
            merged.scores[place] = window.scores[at] + shift
            if window.details:
                details[place] = window.details[at]
        merged.windows += 1
        merged.evaluated += window.evaluated
        merged.reused += window.reused
        best = sorted(places, key=lambda place: (-merged.scores[place], place))
        kept = sorted(_fitting(lengths, best[: len(best) // 2], room // 2))
    merged.details = [details[place] for place in sorted(details)]
    return merged


def _next(lengths: Sequence[int], rest: list[int], kept: list[int], room: int, most: int | None) -> list[int]:
    """The documents that were kept, and as many of the last ones of the rest as fit beside them."""
    left = room - sum(lengths[place] for place in kept)
    taken: list[int] = []
    for place in reversed(rest):
        if lengths[place] > left or (most is not None and len(kept) + len(taken) >= most):
            break
        left -= lengths[place]
        taken.append(place)
    return sorted([*taken, *kept])


def _fitting(lengths: Sequence[int], places: Sequence[int], room: int) -> list[int]:
    """The first of `places` that fit, so that there is room for another document beside them."""
    fitting: list[int] = []
    for place in places:
        if lengths[place] > room:
            break
        room -= lengths[place]
        fitting.append(place)
    return fitting


def _shift(known: Sequence[float], places: Sequence[int], scores: Sequence[float], both: set[int]) -> float:
    """What to add to the scores of a window, so that documents that were ranked before keep their mean."""
    differences = [known[place] - score for place, score in zip(places, scores, strict=True) if place in both]
    return sum(differences) / len(differences) if differences else 0.0

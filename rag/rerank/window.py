"""What a model tells of the passages that it reads at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..._explain import count
from .types import Highlight


@dataclass(frozen=True, slots=True)
class Window:
    """What a model told of one window.

    Attributes:
        scores: one for each of its passages, higher is better.
        evaluated: tokens that a model read for this.
        reused: tokens whose KV was there already.
        cut: which passages were cut, by their places in the list that is ranked.
        longest: to how many tokens.
        highlights: of each passage, where they were asked for.
    """

    scores: Sequence[float]
    evaluated: int = 0
    reused: int = 0
    cut: frozenset[int] = frozenset()
    longest: int = 0
    highlights: Sequence[tuple[Highlight, ...]] = ()


def remarks(windows: Sequence[Window], number: int) -> list[str]:
    """What a user should know of the windows in which `number` documents were ranked."""
    notes = []
    if cut := frozenset[int]().union(*(each.cut for each in windows)):
        lengths = sorted({each.longest for each in windows if each.cut})
        between = "-".join(map(str, dict.fromkeys([lengths[0], lengths[-1]])))
        notes.append(f"{len(cut)} of {count(number, 'document')} cut to {between} tokens")
    if len(windows) > 1:
        notes.append(f"{count(number, 'document')} ranked in {len(windows)} windows")
    return notes

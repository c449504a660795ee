"""What is believed of facts that concern each other: a function of what was stated, and of nothing else.

A *slot* holds the facts that can confirm or end each other: those with one subject, relation and object, or, where the
relation is single-valued (`lives_in`), those with one subject and relation. `settle` turns what was stated in a slot
into what is believed, in four steps:

1. In a single-valued slot a fact ends where the next one with another object starts, if it still held then. A fact
   whose start is unknown ends nothing.
2. Ends that are unknown are filled in from statements of the same fact: "since 2019" and "until 2022" are one stay.
3. Statements of the same fact whose intervals overlap are one fact, from the first start to the last end; disjoint
   ones are several. One without any date confirms the latest of them.
4. Rulings of a judge end what still holds then.

It does not matter in which order facts came, so taking one back (`forget`) restores what it had ended, and adding it
again gives what was there before.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stated:
    """A fact as it was stated, between canonical entities; times in microseconds, None is unknown."""

    fact: int
    subject: int
    relation: str
    object: int
    start: int | None
    end: int | None
    confidence: float

    @property
    def is_dated(self) -> bool:
        """Whether anything is known of when it held."""
        return self.start is not None or self.end is not None


@dataclass(frozen=True, slots=True)
class Ruling:
    """A judge's word that fact `ended` held no longer when `by` began, at `at`."""

    ended: int
    by: int
    at: int


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of a stated fact.

    Attributes:
        stated: the fact, its interval and confidence as they are believed.
        same_as: the fact that stands for it, which has the same interval, or None.
        ended_by: the fact that ended it, or None.
    """

    stated: Stated
    same_as: int | None = None
    ended_by: int | None = None


_Span = tuple[Stated, int | None]
"""A statement with its interval as far as it is settled, and what ended it."""


def settle(stated: Sequence[Stated], *, single_valued: bool, rulings: Sequence[Ruling] = ()) -> list[Belief]:
    """Settle one slot.

    ```python
    from ragloom.stores.memory.beliefs import Stated, settle

    ann, paris, berlin = 1, 2, 3
    lived = [Stated(10, ann, "lives_in", paris, 2019, None, 1.0), Stated(11, ann, "lives_in", berlin, 2021, None, 1.0)]
    first, second = settle(lived, single_valued=True)
    print(first.stated.end, first.ended_by, second.stated.end)  # -> 2021 11 None
    ```

    Args:
        stated: all that is stated in the slot, each fact once.
        single_valued: whether a fact ends another one with another object.
        rulings: which facts a judge found ended; those of facts in other slots are ignored.

    Returns:
        A belief for each statement, in the order of their keys.
    """
    if len(stated) == 1 and not rulings:
        return [Belief(stated[0])]
    ordered = sorted(stated, key=lambda each: each.fact)
    dated_objects = {each.object for each in ordered if each.is_dated}
    spans = [each for each in ordered if each.is_dated or each.object not in dated_objects]
    cut = _cut(spans) if single_valued else [(each, None) for each in spans]
    by_object: dict[int, list[_Span]] = defaultdict(list)
    for span in cut:
        by_object[span[0].object].append(span)
    undated: dict[int, list[Stated]] = defaultdict(list)
    for each in ordered:
        if not each.is_dated and each.object in dated_objects:
            undated[each.object].append(each)
    beliefs: list[Belief] = []
    for target, same in by_object.items():
        clusters = _clusters(_filled(same))
        clusters[-1] += [(each, None) for each in undated[target]]
        beliefs += [belief for cluster in clusters for belief in _believed(cluster, rulings)]
    return _pointed(sorted(beliefs, key=lambda belief: belief.stated.fact))


def _cut(stated: Sequence[Stated]) -> list[_Span]:
    """End each fact where the next one with another object starts."""
    dated = sorted((each for each in stated if each.start is not None), key=lambda each: (_low(each.start), each.fact))
    starts = [_low(each.start) for each in dated]
    other = [len(dated)] * len(dated)  # the next place with another object
    for place in range(len(dated) - 2, -1, -1):
        same = dated[place].object == dated[place + 1].object
        other[place] = other[place + 1] if same else place + 1
    spans: list[_Span] = []
    for each in stated:
        place = bisect_right(starts, _low(each.start))
        if place < len(dated) and dated[place].object == each.object:
            place = other[place]
        if place < len(dated) and starts[place] < _high(each.end):
            spans.append((replace(each, end=dated[place].start), dated[place].fact))
        else:
            spans.append((each, None))
    return spans


def _filled(spans: Sequence[_Span]) -> list[_Span]:
    """Fill in unknown ends: the first known end after the start, the last known start before the end."""
    known = ((each.end, by) for each, by in spans if each.end is not None)
    ends = sorted(known, key=lambda end: (end[0], end[1] or 0))
    starts = sorted(each.start for each, _ in spans if each.start is not None)
    filled: list[_Span] = []
    for each, by in spans:
        if each.start is not None and each.end is None:
            place = bisect_right(ends, each.start, key=lambda end: end[0])
            filled.append((replace(each, end=ends[place][0]), ends[place][1]) if place < len(ends) else (each, by))
        elif each.start is None and each.end is not None:
            before = [start for start in starts if start < each.end]
            filled.append((replace(each, start=before[-1]), by) if before else (each, by))
        else:
            filled.append((each, by))
    return filled


def _clusters(spans: Iterable[_Span]) -> list[list[_Span]]:
    """Those whose intervals overlap, one after another, together; earliest first."""
    clusters: list[list[_Span]] = []
    reached = -math.inf
    for span in sorted(spans, key=lambda span: (_low(span[0].start), span[0].fact)):
        if clusters and _low(span[0].start) < reached:
            clusters[-1].append(span)
        else:
            clusters.append([span])
            reached = -math.inf
        reached = max(reached, _high(span[0].end))
    return clusters


def _believed(cluster: Sequence[_Span], rulings: Sequence[Ruling]) -> list[Belief]:
    """One fact for all statements of a cluster: the one with the lowest key stands for the others."""
    facts = {each.fact for each, _ in cluster}
    spans = [span for span in cluster if span[0].is_dated] or cluster
    start = min(_low(each.start) for each, _ in spans)
    end, by = max(((_high(each.end), by) for each, by in spans), key=lambda last: (last[0], last[1] or 0))
    ending = [(ruling.at, ruling.by) for ruling in rulings if ruling.ended in facts and start < ruling.at < end]
    if ending:
        end, by = min(ending)
    chief = min(facts)
    confidence = max(each.confidence for each, _ in cluster)
    return [
        Belief(
            replace(each, start=_known(start), end=_known(end), confidence=confidence),
            None if each.fact == chief else chief,
            by,
        )
        for each, _ in cluster
    ]


def _pointed(beliefs: Sequence[Belief]) -> list[Belief]:
    """Let `ended_by` name the fact that stands for the one that ended."""
    chief = {belief.stated.fact: belief.same_as for belief in beliefs}
    return [
        replace(belief, ended_by=chief.get(belief.ended_by) or belief.ended_by) if belief.ended_by else belief
        for belief in beliefs
    ]


def _low(start: int | None) -> float:
    return -math.inf if start is None else start


def _high(end: int | None) -> float:
    return math.inf if end is None else end


def _known(value: float) -> int | None:
    return None if math.isinf(value) else int(value)

"""What is believed of facts that concern each other: a function of what was stated, and of nothing else.

A *slot* holds the facts that can confirm or end each other: those with one subject, relation and object, or, where the
relation is single-valued (`lives_in`), those with one subject and relation. `settle` turns what was stated in a slot
into what is believed, in four steps:

1. In a single-valued slot a fact ends where the next one with another object starts, if it still held then. A fact
   whose start is unknown ends nothing, and one without any date is ended only by one that still holds: nobody knows
   whether it came before one that is over.
2. Ends that are unknown are filled in from statements of the same fact: "since 2019" and "until 2022" are one stay.
3. Statements of the same fact whose intervals overlap are one fact, from the first start to the last end; disjoint
   ones are several. One without any date confirms the latest of them.
4. Rulings of a judge end what still holds then.

It does not matter in which order facts came, so taking one back (`forget`) restores what it had ended, and adding it
again gives what was there before.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


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
        stated: the fact as it was stated.
        start: when it is believed to have begun.
        end: when it is believed to have ended.
        confidence: that of the surest statement of it.
        same_as: the fact that stands for it, which has the same interval, or None.
        ended_by: the fact that ended it, or None.
    """

    stated: Stated
    start: int | None
    end: int | None
    confidence: float
    same_as: int | None = None
    ended_by: int | None = None


class _Span(NamedTuple):
    """A statement, its interval as far as it is settled, and what ended it."""

    stated: Stated
    start: int | None
    end: int | None
    by: int | None = None

    @property
    def is_dated(self) -> bool:
        return self.start is not None or self.end is not None


def settle(stated: Sequence[Stated], *, single_valued: bool, rulings: Sequence[Ruling] = ()) -> list[Belief]:
    """Settle one slot.

    ```python
    from ragloom.stores.memory.beliefs import Stated, settle

    ann, paris, berlin = 1, 2, 3
    lived = [Stated(10, ann, "lives_in", paris, 2019, None, 1.0), Stated(11, ann, "lives_in", berlin, 2021, None, 1.0)]
    first, second = settle(lived, single_valued=True)
    print(first.end, first.ended_by, second.end)  # -> 2021 11 None
    ```

    Args:
        stated: all that is stated in the slot, each fact once.
        single_valued: whether a fact ends another one with another object.
        rulings: which facts a judge found ended; those of facts in other slots are ignored.

    Returns:
        A belief for each statement, in the order of their keys.
    """
    if len(stated) == 1 and not rulings:
        return [Belief(stated[0], stated[0].start, stated[0].end, stated[0].confidence)]
    ordered = [_Span(each, each.start, each.end) for each in sorted(stated, key=lambda each: each.fact)]
    dated = {span.stated.object for span in ordered if span.is_dated}
    undated: dict[int, list[_Span]] = defaultdict(list)
    spans: list[_Span] = []
    for span in ordered:
        is_sure = span.is_dated or span.stated.object not in dated
        (spans if is_sure else undated[span.stated.object]).append(span)
    by_object: dict[int, list[_Span]] = defaultdict(list)
    for span in _cut(spans) if single_valued else spans:
        by_object[span.stated.object].append(span)
    beliefs: list[Belief] = []
    for target, same in by_object.items():
        clusters = _clusters(_filled(same))
        clusters[-1] += undated[target]
        beliefs += [belief for cluster in clusters for belief in _believed(cluster, rulings)]
    return _pointed(sorted(beliefs, key=lambda belief: belief.stated.fact))


def _cut(spans: Sequence[_Span]) -> list[_Span]:
    """End each fact where the next one with another object starts; one without any date, where a lasting one does."""
    dated = sorted((each for each in spans if each.start is not None), key=lambda each: (_low(each), each.stated.fact))
    starts = [_low(each) for each in dated]
    objects = [each.stated.object for each in dated]
    other = [len(dated)] * len(dated)  # the next place with another object
    for place in range(len(dated) - 2, -1, -1):
        other[place] = other[place + 1] if objects[place] == objects[place + 1] else place + 1
    last = {each.stated.object: each.end for each in sorted(spans, key=_high) if each.end is not None}
    lasting = [each for each in dated if each.end is None and _low(each) >= last.get(each.stated.object, -math.inf)]
    cut: list[_Span] = []
    for each in spans:
        if not each.is_dated:
            by = next((other for other in lasting if other.stated.object != each.stated.object), None)
            cut.append(each._replace(end=by.start, by=by.stated.fact) if by else each)
            continue
        place = bisect_right(starts, _low(each))
        if place < len(dated) and objects[place] == each.stated.object:
            place = other[place]
        is_ended = place < len(dated) and starts[place] < _high(each)
        cut.append(each._replace(end=dated[place].start, by=dated[place].stated.fact) if is_ended else each)
    return cut


def _filled(spans: Sequence[_Span]) -> list[_Span]:
    """Fill in unknown ends: the first known end after the start, the last known start before the end."""
    known = ((each.end, each.by) for each in spans if each.end is not None)
    ends = sorted(known, key=lambda end: (end[0], end[1] or 0))
    starts = sorted(each.start for each in spans if each.start is not None)
    filled: list[_Span] = []
    for each in spans:
        span = each
        if each.start is not None and each.end is None:
            place = bisect_right(ends, each.start, key=lambda end: end[0])
            if place < len(ends):
                span = each._replace(end=ends[place][0], by=ends[place][1])
        elif each.start is None and each.end is not None:
            place = bisect_left(starts, each.end)
            if place:
                span = each._replace(start=starts[place - 1])
        filled.append(span)
    return filled


def _clusters(spans: Iterable[_Span]) -> list[list[_Span]]:
    """Those whose intervals overlap, one after another, together; earliest first."""
    clusters: list[list[_Span]] = []
    reached = -math.inf
    for span in sorted(spans, key=lambda span: (_low(span), span.stated.fact)):
        if clusters and _low(span) < reached:
            clusters[-1].append(span)
        else:
            clusters.append([span])
            reached = -math.inf
        reached = max(reached, _high(span))
    return clusters


def _believed(cluster: Sequence[_Span], rulings: Sequence[Ruling]) -> list[Belief]:
    """One fact for all statements of a cluster: the one with the lowest key stands for the others."""
    spans = [span for span in cluster if span.is_dated] or cluster
    start = min(_low(span) for span in spans)
    end, by = max(((_high(span), span.by) for span in spans), key=lambda last: (last[0], last[1] or 0))
    if rulings:
        facts = {span.stated.fact for span in cluster}
        ending = [(ruling.at, ruling.by) for ruling in rulings if ruling.ended in facts and start < ruling.at < end]
        end, by = min(ending, default=(end, by))
    chief = min(span.stated.fact for span in cluster)
    believed = _known(start), _known(end), max(span.stated.confidence for span in cluster)
    return [Belief(span.stated, *believed, None if span.stated.fact == chief else chief, by) for span in cluster]


def _pointed(beliefs: Sequence[Belief]) -> list[Belief]:
    """Let `ended_by` name the fact that stands for the one that ended."""
    chief = {belief.stated.fact: belief.same_as for belief in beliefs if belief.same_as is not None}
    return [
        replace(belief, ended_by=chief[belief.ended_by]) if belief.ended_by in chief else belief for belief in beliefs
    ]


def _low(span: _Span) -> float:
    return -math.inf if span.start is None else span.start


def _high(span: _Span) -> float:
    return math.inf if span.end is None else span.end


def _known(value: float) -> int | None:
    return None if math.isinf(value) else int(value)

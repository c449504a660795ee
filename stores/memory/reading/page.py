"""A timeline as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from importlib.resources import files
from itertools import groupby
from string import Template

from ...._explain import count
from ..types import FactRecord
from .wording import moment, shown

_TICKS = 5
_MARGIN = timedelta(days=30)
"""Shown before the first beginning, so that a bar has some length where all began at once."""
_FIRST = datetime.min.replace(tzinfo=UTC)


def timeline_page(title: str, facts: Sequence[FactRecord], now: datetime) -> str:
    """A bar for each fact, from its beginning to its end, under the entity that it is about.

    Args:
        title: of the page.
        facts: in the order in which they are to stand within an entity.
        now: where bars of facts that still hold end.
    """
    known = [at for record in facts for at in (record.fact.valid_from, record.fact.valid_to) if at is not None]
    first, last = max(min([*known, now]), _FIRST + _MARGIN) - _MARGIN, max([*known, now])
    ordered = sorted(facts, key=lambda record: record.fact.subject)
    sections = [
        f"<h2>{escape(subject)}</h2>\n" + "\n".join(_row(record, first, last, now) for record in group)
        for subject, group in groupby(ordered, key=lambda record: record.fact.subject)
    ]
    step = (last - first) / (_TICKS - 1)
    ticks = (first + step * tick for tick in range(_TICKS))
    page = Template(files(__package__).joinpath("timeline.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(title),
        summary=escape(f"{count(len(facts), 'fact')}, as believed at {moment(now)}. Grey bars are over."),
        axis="".join(f"<span>{tick.date().isoformat()[:7]}</span>" for tick in ticks),
        sections="\n".join(sections),
    )


def _row(record: FactRecord, first: datetime, last: datetime, now: datetime) -> str:
    fact = record.fact
    start, end = fact.valid_from or first, fact.valid_to or max(now, fact.valid_from or now)
    left, right = ((at - first) / (last - first) * 100 for at in (start, end))
    looks = ["bar"]
    if fact.valid_to is not None and fact.valid_to <= now:
        looks.append("over")
    if fact.valid_from is None:
        looks.append("unknown")
    believed = f"recorded {shown(record.recorded)}, confidence {fact.confidence:g}"
    return (
        f'<div class="row" title="{escape(believed)}"><div class="what">{escape(fact.statement)}'
        f"<small>{escape(shown(fact.valid))}</small></div>"
        f'<div class="track"><div class="{" ".join(looks)}" style="left:{left:.2f}%;width:{right - left:.2f}%"></div>'
        "</div></div>"
    )

"""The page of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...._explain import count
from ...._paths import expand_user
from ..measures.answering import ANSWERS
from ..measures.costs import COSTS
from ..result import AUC, TOO_FEW, Outcome, Result
from .cases import worst_cases
from .markup import Markup, element, table
from .plots import differences, distributions, quality_and_latency

_STYLE = Markup("""
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: .6rem 0; font-size: 13px; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
td.number { text-align: right; }
details { border: 1px solid #ddd; border-radius: 4px; padding: .3rem .8rem; margin: .4rem 0; }
svg { max-width: 100%; height: auto; }
""")

_LEGEND = (
    f"Intervals: 95%, by the bootstrap; none where {TOO_FEW}. "
    "Bold: hardly chance, the interval of the difference does not hold 0."
)


def write(result: Result, file: str | Path) -> Path:
    """Write the page; returns where it is.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    path = expand_user(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(result), encoding="utf-8")
    return path


def page(result: Result) -> str:
    """The page: figures, plots, what nodes cost, and each graph's worst questions."""
    main = main_measures(result)
    title = f"{result.dataset.name}: {count(len(result.dataset), 'question')}"
    parts = [
        element("h1", title),
        element("p", f"{', '.join(result)}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {_LEGEND}"),
        element("h2", "Figures"),
        _figures(result),
        *(_plots(result, main) if main else ()),
        element("h2", "What nodes cost"),
        *(_nodes(outcome) for outcome in result.values()),
        *(_worst(result, main[-1]) if main else ()),
    ]
    head = element("head", Markup('<meta charset="utf-8">'), element("title", title), element("style", _STYLE))
    return f"<!DOCTYPE html>\n{element('html', head, element('body', *parts), lang='en')}\n"


def main_measures(result: Result) -> list[str]:
    """The measures that plots show: one of retrieval, one of answers, as far as both can be told."""
    known = result.measures
    ranks = [name for name in known if name not in {*ANSWERS, *COSTS, AUC, "ms p50", "ms p95", "failed"}]
    answers = [name for name in ("F1", "answered", "declined") if name in known]
    return [*ranks[:1], *answers[:1]]


def _plots(result: Result, measures: list[str]) -> list[Markup]:
    return [
        element("h2", "Quality against latency"),
        *(quality_and_latency(result, measure) for measure in measures),
        element("h2", "Scores"),
        distributions(result, measures),
        *_compared(result, measures),
    ]


def _worst(result: Result, measure: str) -> list[Markup]:
    cases = [worst_cases(outcome, measure) for outcome in result.values() if measure in outcome.measures]
    return [element("h2", "Worst cases"), *cases]


def _compared(result: Result, measures: list[str]) -> list[Markup]:
    others = [outcome for outcome in result.values() if outcome is not result.first]
    shared = [name for name in measures if name in result.first.measures and any(name in o.measures for o in others)]
    plots = [differences(result, measure) for measure in shared]
    return [element("h2", "Question by question"), *plots] if plots else []


def _figures(result: Result) -> Markup:
    head = ["measure", "graph", "value", "95%", f"less {result.first.name}", "95%"]
    rows = result.table()
    return table(head, map(_row, told_once([row["measure"] for row in rows]), rows))


def _row(measure: str, row: dict[str, Any]) -> list[object]:
    cells: list[object] = [measure, row["graph"], number(row["value"]), span(row["low"], row["high"])]
    if "difference" not in row:
        return [*cells, "", ""]
    low, high = row["difference low"], row["difference high"]
    gain = number(row["difference"])
    return [*cells, element("b", gain) if low > 0 or high < 0 else gain, span(low, high)]


def _nodes(outcome: Outcome) -> Markup:
    rows = [[each["node"], each["runs"], *(f"{each[key]:,.1f}" for key in list(each)[2:])] for each in outcome.nodes()]
    head = ["node", "runs", "ms p50", "ms p95", "tokens in", "reused", "tokens out"]
    return element("section", element("h3", outcome.name), table(head, rows))


def told_once(names: Sequence[str]) -> list[str]:
    """The cells of a column of names: what the row above says is left blank."""
    return ["" if name == above else name for above, name in zip(["", *names], names, strict=False)]


def number(value: float) -> str:
    """A figure with the digits that say something."""
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def span(low: float, high: float) -> str:
    """An interval in a cell."""
    return "" if math.isnan(low) else f"{number(low)} to {number(high)}"

"""The plots of a report, as SVG that stands within the page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import MissingExtraError
from ..result import Outcome, Result
from .markup import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ragloom",  # the same figures make the same file
    "text.parse_math": False,  # a $ in a name is a dollar
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


def check_installed() -> None:
    """Look for the library of plots, before there is anything to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401 - is it there?
    except ImportError as error:
        raise MissingExtraError("matplotlib", "eval") from error


_FAR_APART = 10
"""Times of which one is more than so many times another are drawn on a logarithmic axis."""

_IN_A_ROW = 3
"""So many plots stand beside each other, with letters that can still be read."""


@contextmanager
def _styled() -> Iterator[None]:
    """Draw in the report's style.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    check_installed()
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


@_styled()
def quality_and_latency(result: Result, measure: str) -> Markup:
    """Each graph at the time that it takes and at how good it is, with intervals of both."""
    figure, (axes,) = _figure(1)
    with_times = [each for each in result.values() if {"ms p50", measure} <= set(each.measures)]
    for outcome in with_times:
        across, up = outcome.estimate("ms p50"), outcome.estimate(measure)
        axes.errorbar(
            across.value,
            up.value,
            xerr=_arms(across.value, across.low, across.high),
            yerr=_arms(up.value, up.low, up.high),
            marker="o",
            capsize=3,
            label=_label(outcome),
        )
    if with_times:
        axes.legend()  # names beside the points would lie over each other
        times = [outcome.mean("ms p50") for outcome in with_times]
        if min(times) > 0 and max(times) > _FAR_APART * min(times):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("ms for a question, median")
    axes.set_ylabel(measure)
    axes.margins(0.2)
    return _svg(figure, f"{measure} against time")


@_styled()
def distributions(result: Result, measures: Sequence[str]) -> Markup:
    """How the questions' scores are spread: a histogram for each measure, with a column for each graph."""
    figure, all_axes = _figure(len(measures))
    for axes, measure in zip(all_axes, measures, strict=True):
        outcomes = [each for each in result.values() if measure in each.measures]
        values = [known[~np.isnan(known)] for known in (each.values(measure) for each in outcomes)]
        axes.hist(values, bins=list(np.linspace(0, 1, 11)), label=[_label(each) for each in outcomes])
        axes.set_xlabel(measure)
        axes.set_ylabel("questions")
        axes.yaxis.set_major_locator(_whole_numbers())
    if len(result) > 1:
        all_axes[0].legend()
    return _svg(figure, "Distribution of scores")


@_styled()
def differences(result: Result, measure: str) -> Markup:
    """Each question's difference to the first graph, the largest loss first: a plot for each other graph."""
    others = [each for each in result.values() if each is not result.first and measure in each.measures]
    figure, all_axes = _figure(len(others))
    for axes, outcome in zip(all_axes, others, strict=True):
        gains = outcome.values(measure) - result.first.values(measure)
        gains = np.sort(gains[~np.isnan(gains)])
        for own, color in ((np.minimum(gains, 0), "C3"), (np.maximum(gains, 0), "C2")):
            axes.stairs(own, fill=True, color=color)
        axes.axhline(0, color="0.5", linewidth=0.5)
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.set_xlabel(f"questions: {int((gains > 0).sum())} better, {int((gains < 0).sum())} worse")
        axes.set_ylabel(f"{measure} of {outcome.name}\nless that of {result.first.name}")
    return _svg(figure, f"Differences in {measure} by question")


def _label(outcome: Outcome) -> str:
    """A graph's name, in a legend too where it begins with an underscore, by which matplotlib means no label."""
    return f"\u200b{outcome.name}" if outcome.name.startswith("_") else outcome.name


def _figure(plots: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    columns = min(plots, _IN_A_ROW)
    rows = -(-plots // columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, place) for place in range(1, plots + 1)]


def _whole_numbers() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _arms(value: float, low: float, high: float) -> list[list[float]]:
    """The lengths of an error bar's arms, shape (2, 1)."""
    return [[max(0.0, value - low)], [max(0.0, high - value)]]


def _svg(figure: Figure, title: str) -> Markup:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Title": title})
    text = written.getvalue()
    return Markup(text[text.index("<svg") :])

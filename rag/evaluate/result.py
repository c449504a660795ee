"""What an evaluation found: figures with intervals, differences between graphs, and the runs that they are of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._explain import unknown
from ..._paths import expand_user
from ...errors import MissingExtraError
from .bootstrap import (
    FEWEST,
    Floats,
    auc,
    draws,
    fewest,
    interval,
    mean,
    of_equals,
    of_no_difference,
    of_percentile,
    once,
    percentile,
)
from .errors import EvaluateError
from .measures import score
from .measures.answering import ANSWERS
from .measures.costs import COSTS, node_costs
from .measures.ranking import RETRIEVAL
from .record import Record
from .types import Dataset, Question

if TYPE_CHECKING:
    from pandas import DataFrame

AUC = "abstention AUC"
"""How well the confidence of answers tells answerable questions from the others; see `auc`."""

_PERCENTILES = {"ms p50": 50, "ms p95": 95}

_TIMES = frozenset({*COSTS, *_PERCENTILES})

_COUNTED = ("failed", *(name for name in COSTS if name != "ms"))

LOWER_IS_BETTER = frozenset({*COSTS, *_PERCENTILES, "failed"} - {"tokens reused"})

TOO_FEW = f"fewer than {FEWEST} questions tell it, or of ms p95 fewer than {fewest(95)}"
"""Why a figure has no interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and the interval in which it would lie for 95% of such sets of questions; NaN: they are too few."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether there is an interval, on one side of 0: for a difference, that it is unlikely to be chance."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Outcome:
    """What came of one graph.

    Attributes:
        name: of the graph.
        questions: what it was asked.
        records: a run for each question.
        scores: of each run, measure to value; measures that cannot be told of a run are left out.
    """

    name: str
    questions: tuple[Question, ...]
    records: tuple[Record, ...]
    scores: tuple[Mapping[str, float], ...]

    @property
    def measures(self) -> list[str]:
        """What can be told of it, in the order of tables; of costs and failures, those that there were."""
        found = self._columns
        names = [name for name in found if name not in {*ANSWERS, *COSTS, "failed", "confidence"}]
        names += [name for name in ANSWERS if name in found]
        names += [] if math.isnan(self.mean(AUC)) else [AUC]
        names += list(_PERCENTILES) if "ms" in found else []
        return names + [name for name in _COUNTED if any(scores.get(name) for scores in self.scores)]

    def values(self, measure: str) -> Floats:
        """What each question has, shape (questions,); NaN where it cannot be told, as of answers that were not given.

        Raises:
            EvaluateError: there is no such measure.
        """
        known = self._columns
        if measure not in {*known, *ANSWERS, *COSTS, "failed", "confidence"}:
            raise EvaluateError(unknown("measure", measure, known))
        return np.array([scores.get(measure, math.nan) for scores in self.scores])

    def mean(self, measure: str) -> float:
        """The figure of a measure over all questions that it can be told of; for `ms p50` and `AUC` what they say.

        Raises:
            EvaluateError: there is no such measure.
        """
        return float(self._figures(measure, once(len(self.questions)))[0])

    def estimate(self, measure: str) -> Estimate:
        """The figure with its interval: by the bootstrap over questions, but for percentiles and for shares of equals.

        Raises:
            EvaluateError: there is no such measure.
        """
        value, telling, drawn = self.mean(measure), self.telling(measure), self.drawn(measure)
        if measure in _PERCENTILES:
            return Estimate(value, *of_percentile(self._known("ms"), _PERCENTILES[measure]))
        if value in (0, 1) and measure not in COSTS and _is_one(drawn):
            return Estimate(value, *of_equals(value, telling))
        return Estimate(value, *interval(drawn, telling))

    def less(self, other: Outcome, measure: str) -> Estimate:
        """How much higher the figure is than another graph's, by the paired bootstrap.

        Costs are compared on the questions that both have run, lest one that fails where it is dear seems cheap.

        Raises:
            EvaluateError: there is no such measure, or the other was asked something else.
        """
        if [each.id for each in self.questions] != [each.id for each in other.questions]:
            raise EvaluateError(f"{self.name} and {other.name} were not asked the same questions")
        one, two = (self._run_by(other, measure), other._run_by(self, measure)) if measure in _TIMES else (self, other)
        value, differences = one.mean(measure) - two.mean(measure), one.drawn(measure) - two.drawn(measure)
        telling = min(one.telling(measure), two.telling(measure))
        if abs(value) <= 1 and measure not in _TIMES and _is_one(differences):
            return Estimate(value, *of_no_difference(value, telling))
        return Estimate(value, *interval(differences, telling))

    def _run_by(self, other: Outcome, measure: str) -> Outcome:
        """The same without the cost of questions of which the other does not tell it."""
        cost = "ms" if measure in _PERCENTILES else measure
        if all(cost in theirs or cost not in own for own, theirs in zip(self.scores, other.scores, strict=True)):
            return self
        scores = [
            own if cost in theirs else {name: value for name, value in own.items() if name != cost}
            for own, theirs in zip(self.scores, other.scores, strict=True)
        ]
        return replace(self, scores=tuple(scores))

    def nodes(self) -> list[dict[str, Any]]:
        """What each node cost: a row with `node`, `runs`, `ms p50`, `ms p95` and mean tokens."""
        return node_costs(self.records)

    @cached_property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for each in self.scores for name in each))

    @cached_property
    def _answerable(self) -> NDArray[np.bool_]:
        return np.array([question.answerable for question in self.questions])

    @cached_property
    def _figures_drawn(self) -> dict[str, Floats]:
        return {}

    def drawn(self, measure: str) -> Floats:
        """The figure for each draw of questions, shape (draws,), worked out once; NaN: see `TOO_FEW`.

        Raises:
            EvaluateError: there is no such measure.
        """
        if measure not in self._figures_drawn:
            times = draws(len(self.questions))
            least = fewest(_PERCENTILES[measure]) if measure in _PERCENTILES else FEWEST
            drawn = self._figures(measure, times)
            self._figures_drawn[measure] = drawn if self.telling(measure) >= least else np.full(len(times), np.nan)
        return self._figures_drawn[measure]

    def _known(self, measure: str) -> Floats:
        values = self.values(measure)
        known: Floats = values[~np.isnan(values)]
        return known

    def telling(self, measure: str) -> int:
        """How many questions a figure is of; of two kinds, as many as there are of the rarer one."""
        if measure == AUC:
            known = ~np.isnan(self.values("confidence"))
            return int(min(np.sum(known & self._answerable), np.sum(known & ~self._answerable)))
        return int(np.sum(~np.isnan(self.values("ms" if measure in _PERCENTILES else measure))))

    def _figures(self, measure: str, times: Floats) -> Floats:
        """The figure for each draw of questions, shape (draws,)."""
        if measure == AUC:
            return auc(self.values("confidence"), self._answerable, times)
        if measure in _PERCENTILES:
            return percentile(_PERCENTILES[measure])(self.values("ms"), times)
        return mean(self.values(measure), times)


def _is_one(drawn: Floats) -> bool:
    """Whether all draws have the same figure, so that they cannot tell how far it may be off."""
    known = drawn[~np.isnan(drawn)]
    return len(known) > 0 and float(np.ptp(known)) == 0


@dataclass(frozen=True)
class Result(Mapping[str, Outcome]):
    """Outcomes by the graphs' names; the first graph is what the others are compared with.

    Attributes:
        dataset: the questions.
        outcomes: by graph.
    """

    dataset: Dataset
    outcomes: Mapping[str, Outcome]

    @classmethod
    def of(cls, dataset: Dataset, records: Sequence[Record], *, retrieval: Sequence[str] = RETRIEVAL) -> Result:
        """Measure runs of graphs on the questions of a dataset, in any order; of two runs the later one counts.

        Raises:
            EvaluateError: a graph was not asked every question.
        """
        runs = {(record.graph, record.question): record for record in records}
        outcomes = {}
        for name in dict.fromkeys(record.graph for record in records):
            if missing := [each.id for each in dataset.questions if (name, each.id) not in runs]:
                raise EvaluateError(f"{name} has no run of the question {missing[0]!r} of {dataset.name}")
            pairs = [(question, runs[name, question.id]) for question in dataset.questions]
            scores = score(pairs, retrieval=retrieval)
            outcomes[name] = Outcome(name, dataset.questions, tuple(run for _, run in pairs), tuple(scores))
        return cls(dataset, outcomes)

    def __getitem__(self, name: str) -> Outcome:
        """The outcome of a graph.

        Raises:
            KeyError: there is none of that name; the message says which there are.
        """
        if name not in self.outcomes:
            raise KeyError(unknown("graph", name, self.outcomes))
        return self.outcomes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def first(self) -> Outcome:
        """What the others are compared with."""
        return next(iter(self.outcomes.values()))

    @property
    def measures(self) -> list[str]:
        """What can be told of any graph, in the order of tables."""
        found = list(dict.fromkeys(name for outcome in self.outcomes.values() for name in outcome.measures))
        places = {name: place for place, name in enumerate((*ANSWERS, AUC, *_PERCENTILES, *_COUNTED), start=1)}
        return sorted(found, key=lambda name: places.get(name, 0))

    def table(self) -> list[dict[str, Any]]:
        """A row for each measure and graph: its figure and interval, and how far it is from the first graph's."""
        return [dict(row) for row in self._table]

    @cached_property
    def _table(self) -> list[dict[str, Any]]:
        rows = []
        for measure in self.measures:
            for outcome in self.outcomes.values():
                if measure not in outcome.measures:
                    continue
                own = outcome.estimate(measure)
                row = {"measure": measure, "graph": outcome.name, "value": own.value, "low": own.low, "high": own.high}
                if outcome is not self.first and measure in {*self.first.measures, *_COUNTED}:
                    gain = outcome.less(self.first, measure)
                    row |= {"difference": gain.value, "difference low": gain.low, "difference high": gain.high}
                rows.append(row)
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """A row for each question and graph, with the answer and every score."""
        return [
            {"graph": name, "question": question.text, "id": question.id, "answer": record.words}
            | {"error": record.error, **scores}
            for name, outcome in self.outcomes.items()
            for question, record, scores in zip(outcome.questions, outcome.records, outcome.scores, strict=True)
        ]

    def to_pandas(self) -> DataFrame:
        """`rows` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingExtraError("pandas", "eval") from error
        return DataFrame(self.rows())

    def write_scores(self, file: str | Path) -> Path:
        """Write `rows` as JSON lines."""
        path = expand_user(file)
        lines = [json.dumps(row, ensure_ascii=False, default=float) + "\n" for row in self.rows()]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def write_report(self, file: str | Path) -> Path:
        """Write an HTML page of all this: one file, which needs neither network nor scripts.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from .report.page import write

        return write(self, file)

"""The search: optuna suggests settings (TPE), graphs are run on the training questions, the best is kept.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, for the tree-structured Parzen estimator;
Akiba et al., "Optuna", KDD 2019. What trials have in common is worked out once, so that a trial costs what comes after
the first setting that it changes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...graph.errors import GraphError
from ...graph.spec import GraphSpec
from ..bootstrap import Floats
from ..errors import EvaluateError
from ..result import LOWER_IS_BETTER, Outcome
from .space import Dimension, Settings, Space, changed
from .suggesting import Suggestions

_log = logging.getLogger(__name__)

RunGraph = Callable[[GraphSpec, float], Outcome | None]
"""Runs a graph on the training questions; None: the time, of `time.monotonic`, was up before it had ended."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were tried, and what came of them.

    Attributes:
        settings: by path; empty for the graph as it is written.
        value: of the measure that is tuned for; NaN where it cannot be told, as where nothing was answered, and where
            more questions failed than of the graph as it is written, for a run that fails costs nothing.
        failed: share of questions that failed; 1 where the settings do not go together.
        drawn: the value for each draw of questions, shape (draws,): what intervals are made from.
        telling: how many questions the value is of.
    """

    settings: Settings
    value: float
    failed: float
    drawn: Floats = field(repr=False)
    telling: int = 0

    @classmethod
    def of(cls, settings: Settings, outcome: Outcome, measure: str) -> Trial:
        """What came of a graph with these settings."""
        return cls(
            settings, outcome.mean(measure), outcome.mean("failed"), outcome.drawn(measure), outcome.telling(measure)
        )

    def without_value(self) -> Trial:
        """The same where the measure cannot be told."""
        return replace(self, value=math.nan, drawn=np.full_like(self.drawn, math.nan))


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for, where, and for how long.

    Attributes:
        space: what may vary: a YAML file, or what would be in one; see `tuning.space`.
        measure: what to tune for, such as `nDCG@10` or `F1`.
        seconds: the budget; the graph as it is written, and the test, come on top.
        trials: at most so many settings; None: as many as there is time for.
        seed: equal seeds suggest the same.
    """

    space: Space | str | Path
    measure: str
    seconds: float
    trials: int | None = None
    seed: int = 0

    @property
    def is_lower_better(self) -> bool:
        """Whether the measure is a cost."""
        return self.measure in LOWER_IS_BETTER

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The best trial; of equal ones the earliest, so that nothing is changed for nothing."""
        sign = -1 if self.is_lower_better else 1
        known = [each for each in trials if not math.isnan(each.value)]
        return max(known or trials, key=lambda each: sign * each.value)


def trials(spec: GraphSpec, dimensions: Sequence[Dimension], search: Search, run: RunGraph) -> Iterator[Trial]:
    """Try the graph as it is written, then other settings, until the budget is spent or all have been tried.

    Settings that do not go together are a trial without a value, and a warning tells of them.

    Raises:
        EvaluateError: the measure cannot be told of this graph on these questions.
        MissingExtraError: optuna is not installed.
    """
    suggestions = Suggestions(dimensions, lower_is_better=search.is_lower_better, most=search.trials, seed=search.seed)
    outcome = run(spec, math.inf)
    assert outcome is not None
    if search.measure not in outcome.measures:
        raise EvaluateError(f"{search.measure!r} cannot be told of this graph; it has: {', '.join(outcome.measures)}")
    yield (first := Trial.of({}, outcome, search.measure))
    deadline = time.monotonic() + search.seconds
    while time.monotonic() < deadline and (settings := suggestions.next()) is not None:
        trial = _tried(spec, settings, search.measure, first, lambda spec: run(spec, deadline))
        if trial is None:
            return
        suggestions.tell(trial.value)
        yield trial


def _tried(
    spec: GraphSpec, settings: Settings, measure: str, first: Trial, run: Callable[[GraphSpec], Outcome | None]
) -> Trial | None:
    try:
        outcome = run(changed(spec, settings))
    except GraphError as error:
        _log.warning("%s cannot be run: %s", dict(settings), error)
        return replace(first, settings=settings, failed=1.0).without_value()
    if outcome is None:
        _log.info("out of time: %s", settings)
        return None
    trial = Trial.of(settings, outcome, measure)
    return trial.without_value() if trial.failed > first.failed else trial

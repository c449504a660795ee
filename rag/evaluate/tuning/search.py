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
from dataclasses import dataclass, field
from pathlib import Path

from ...graph.errors import GraphError
from ...graph.spec import GraphSpec
from ..bootstrap import Floats
from ..errors import EvaluateError
from ..result import LOWER_IS_BETTER, Outcome
from .space import Settings, Space, changed, read_space
from .suggesting import Suggestions

_log = logging.getLogger(__name__)

RunGraph = Callable[[GraphSpec, float], Outcome | None]
"""Runs a graph on the training questions; None: the time, of `time.monotonic`, was up before it had ended."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were tried, and what came of them.

    Attributes:
        settings: by path; empty for the graph as it is written.
        value: of the measure that is tuned for; NaN where it cannot be told, as where nothing was answered.
        drawn: the value for each draw of questions, shape (draws,): what intervals are made from.
    """

    settings: Settings
    value: float
    drawn: Floats = field(repr=False)


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


def trials(spec: GraphSpec, search: Search, run: RunGraph) -> Iterator[Trial]:
    """Try the graph as it is written, then other settings, until the budget is spent or all have been tried.

    Raises:
        SpaceError: the graph cannot have what the space says.
        EvaluateError: the measure cannot be told of this graph on these questions.
        MissingExtraError: optuna is not installed.
    """
    dimensions = read_space(search.space, spec)
    suggestions = Suggestions(dimensions, lower_is_better=search.is_lower_better, most=search.trials, seed=search.seed)
    first = run(spec, math.inf)
    assert first is not None
    if search.measure not in first.measures:
        raise EvaluateError(f"{search.measure!r} cannot be told of this graph; it has: {', '.join(first.measures)}")
    yield Trial({}, first.mean(search.measure), first.drawn(search.measure))
    deadline = time.monotonic() + search.seconds
    while time.monotonic() < deadline and (settings := suggestions.next()) is not None:
        trial = _tried(spec, settings, run, search.measure, deadline)
        if trial is None:
            return
        suggestions.tell(trial.value)
        yield trial


def _tried(spec: GraphSpec, settings: Settings, run: RunGraph, measure: str, deadline: float) -> Trial | None:
    try:
        outcome = run(changed(spec, settings), deadline)
    except GraphError as error:
        raise EvaluateError(f"{dict(settings)} cannot be run: {error}") from error
    if outcome is None:
        _log.info("out of time: %s", settings)
        return None
    return Trial(settings, outcome.mean(measure), outcome.drawn(measure))

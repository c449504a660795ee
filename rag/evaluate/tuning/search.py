"""The search: optuna suggests settings (TPE), graphs are run on the training questions, the best is kept.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, for the tree-structured Parzen estimator;
Akiba et al., "Optuna", KDD 2019. What trials have in common is worked out once, so that a trial costs what comes after
the first setting that it changes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ....errors import MissingExtraError
from ...graph.errors import GraphError
from ...graph.spec import GraphSpec
from ..errors import EvaluateError
from ..result import LOWER_IS_BETTER, Outcome
from .space import Dimension, Settings, changed

if TYPE_CHECKING:
    from optuna import Study

_log = logging.getLogger(__name__)

_KNOWN_IN_A_ROW = 50
"""So many suggestions in a row that were all tried before: there is nothing new near the best."""

Measure = Callable[[GraphSpec, float], Outcome | None]
"""Runs a graph on the training questions; None: the time, of `time.monotonic`, was up before it had ended."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were tried, and what came of them.

    Attributes:
        settings: by path; empty for the graph as it is written.
        outcome: on the training questions.
        value: of the measure that is tuned for; NaN where it cannot be told, as where nothing was answered.
    """

    settings: Settings
    outcome: Outcome
    value: float


def search(  # noqa: PLR0913 - what a search is made of
    spec: GraphSpec,
    dimensions: Sequence[Dimension],
    run: Measure,
    *,
    measure: str,
    seconds: float,
    trials: int | None = None,
    seed: int = 0,
) -> Iterator[Trial]:
    """Try the graph as it is written, then other settings, until the budget is spent or all have been tried.

    Args:
        spec: the graph.
        dimensions: what may vary.
        run: runs a graph.
        measure: what to tune for.
        seconds: the budget of what comes after the graph as it is written.
        trials: at most so many besides.
        seed: of the search.

    Raises:
        EvaluateError: the measure cannot be told of this graph on these questions.
        MissingExtraError: optuna is not installed.
    """
    study = _study(measure, seed)
    first = run(spec, math.inf)
    assert first is not None
    if measure not in first.measures:
        raise EvaluateError(f"{measure!r} cannot be told of this graph; it has: {', '.join(first.measures)}")
    yield Trial({}, first, first.mean(measure))
    deadline = time.monotonic() + seconds
    space = {each.path: each.distribution() for each in dimensions}
    size = math.prod(each.size for each in dimensions)
    known: dict[str, float] = {}
    repeated = 0
    while len(known) < min(size, trials or math.inf) and repeated < _KNOWN_IN_A_ROW and time.monotonic() < deadline:
        asked = study.ask(space)
        settings = {each.path: each.value(asked.params[each.path]) for each in dimensions}
        key = repr(settings)
        repeated = repeated + 1 if key in known else 0
        if key not in known:
            trial = _tried(spec, settings, run, measure, deadline)
            if trial is None:
                return
            known[key] = trial.value
            yield trial
        study.tell(asked, _worst(measure) if math.isnan(known[key]) else known[key])


def _tried(spec: GraphSpec, settings: Mapping[str, Any], run: Measure, measure: str, deadline: float) -> Trial | None:
    try:
        outcome = run(changed(spec, settings), deadline)
    except GraphError as error:
        raise EvaluateError(f"{dict(settings)} cannot be run: {error}") from error
    if outcome is None:
        _log.info("out of time: %s", settings)
        return None
    return Trial(settings, outcome, outcome.mean(measure))


def _worst(measure: str) -> float:
    return math.inf if measure in LOWER_IS_BETTER else -math.inf


def best(trials: Sequence[Trial], measure: str) -> Trial:
    """The best trial; of equal ones the earliest, so that nothing is changed for nothing."""
    sign = -1 if measure in LOWER_IS_BETTER else 1
    known = [each for each in trials if not math.isnan(each.value)]
    return max(known or trials, key=lambda each: sign * each.value)


def _study(measure: str, seed: int) -> Study:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "eval") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction: Literal["minimize", "maximize"] = "minimize" if measure in LOWER_IS_BETTER else "maximize"
    return optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed))

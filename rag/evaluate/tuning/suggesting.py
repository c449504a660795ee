"""Suggestions of settings: optuna's, and where it only repeats itself, any that are left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ....errors import MissingExtraError
from .space import Dimension, Settings

if TYPE_CHECKING:
    from optuna import Trial as Asked

_REPEATS = 50
"""So many suggestions in a row that were all tried before: optuna has nothing new near the best."""

_DRAWS = 1000
"""So many random settings that were all tried before: there are hardly others."""


class Suggestions:
    """Settings to try, none of them twice."""

    def __init__(self, dimensions: Sequence[Dimension], *, lower_is_better: bool, most: int | None, seed: int) -> None:
        """Suggest at most `most` settings.

        Raises:
            MissingExtraError: optuna is not installed.
        """
        try:
            import optuna
        except ImportError as error:
            raise MissingExtraError("optuna", "eval") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._samplers = (optuna.samplers.TPESampler(seed=seed), optuna.samplers.RandomSampler(seed=seed))
        self._study = optuna.create_study(direction="minimize" if lower_is_better else "maximize")
        self._worst = math.inf if lower_is_better else -math.inf
        self._dimensions = dimensions
        self._space = {each.path: each.distribution() for each in dimensions}
        self._most = min(math.prod(each.size for each in dimensions), most or math.inf)
        self._known: dict[str, float] = {}
        self._asked: Asked | None = None

    def next(self) -> Settings | None:
        """Settings that have not been tried; None: there are no more."""
        if len(self._known) >= self._most:
            return None
        for attempt in range(_REPEATS + _DRAWS):
            self._study.sampler = self._samplers[attempt >= _REPEATS]
            asked = self._study.ask(self._space)
            settings = self._settings(asked)
            if repr(settings) not in self._known:
                self._asked = asked
                return settings
            self._study.tell(asked, self._known[repr(settings)])
        return None

    def tell(self, value: float) -> None:
        """What came of the settings that were suggested last; NaN where it cannot be told."""
        assert self._asked is not None
        known = self._worst if math.isnan(value) else value
        self._known[repr(self._settings(self._asked))] = known
        self._study.tell(self._asked, known)

    def _settings(self, asked: Asked) -> dict[str, Any]:
        return {each.path: each.value(asked.params[each.path]) for each in self._dimensions}

"""The space that is searched: which settings of a graph may be what.

```yaml
nodes.retrieve.k: [4, 8, 16]
nodes.quote.min_confidence: {low: 0.3, high: 0.8}
nodes.retrieve.use: [hybrid, dense]
```
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ...._explain import first_problem, short, unknown
from ...._paths import expand_user
from ...graph.errors import GraphError
from ...graph.problem import Problem
from ...graph.spec import GraphSpec
from ...graph.yaml_lines import read_yaml
from ..errors import SpaceError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Settings = Mapping[str, Any]
"""Values by path: `{"nodes.retrieve.k": 8}`."""

Space = Mapping[str, Any]
"""What may be at each path: a list of values, or a mapping with `low` and `high`."""


class Range(BaseModel):
    """Numbers between two others; whole ones where both are whole.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether factors count, not differences.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float
    log: bool = False


@dataclass(frozen=True, slots=True)
class Dimension:
    """One setting that may vary: a list of values, or a range."""

    path: str
    choices: tuple[Any, ...] | Range

    @property
    def size(self) -> float:
        """How many values there are; infinite for numbers that are not whole."""
        if not isinstance(self.choices, Range):
            return len(self.choices)
        low, high = self.choices.low, self.choices.high
        return high - low + 1 if isinstance(low, int) and isinstance(high, int) else math.inf

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values to check before anything runs: all, or both ends."""
        return (self.choices.low, self.choices.high) if isinstance(self.choices, Range) else self.choices

    def distribution(self) -> BaseDistribution:
        """The same as optuna has it; of values, their places, since optuna takes none but plain ones."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if not isinstance(self.choices, Range):
            return CategoricalDistribution(range(len(self.choices)))
        low, high = self.choices.low, self.choices.high
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=self.choices.log)
        return FloatDistribution(low, high, log=self.choices.log)

    def value(self, suggested: Any) -> Any:
        """The setting that optuna's suggestion stands for."""
        if not isinstance(self.choices, Range):
            return self.choices[suggested]
        return float(f"{suggested:.4g}") if isinstance(suggested, float) else suggested  # no more digits than matter


Check = Callable[[GraphSpec], list[Problem]]
"""Says what is wrong with a graph; knows node types of one's own, too."""


def read_space(space: Space | str | Path, spec: GraphSpec, check: Check) -> list[Dimension]:
    """Read a space, and check that the graph can have every value in it.

    Args:
        space: a YAML file, or what would be in one.
        spec: the graph.
        check: says what is wrong with it.

    Raises:
        SpaceError: it cannot be read, or the graph has no such setting or cannot have such a value.
    """
    if isinstance(space, Mapping):
        return _checked(space, spec, check, {}, "space")
    file = expand_user(space)
    try:
        document = read_yaml(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark, why = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        raise SpaceError(f"{file}{f':{mark.line + 1}' if mark else ''}: not valid YAML: {why}") from error
    except (OSError, ValueError) as error:
        raise SpaceError(f"cannot read {file}: {' '.join(str(error).split())}") from error
    if not isinstance(document.value, Mapping):
        raise SpaceError(f"{file}: a space is a mapping such as 'nodes.retrieve.k: [4, 8]'")
    lines = {str(keys[0]): line for keys, line in document.lines.items() if len(keys) == 1}
    return _checked(document.value, spec, check, lines, str(file))


def changed(spec: GraphSpec, settings: Settings) -> GraphSpec:
    """The graph with other settings."""
    nodes: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        _, node, key = path.split(".")
        nodes.setdefault(node, {})[key] = value
    return spec.changed(**nodes)


def _checked(
    space: Mapping[Any, Any], spec: GraphSpec, check: Check, lines: Mapping[str, int], file: str
) -> list[Dimension]:
    if not space:
        raise SpaceError(f"{file}: nothing may vary; write a line such as 'nodes.retrieve.k: [4, 8]'")
    dimensions = []
    for path, choices in space.items():
        try:
            dimension = Dimension(str(path), _choices(choices))
            _check(dimension, spec, check)
        except (GraphError, TypeError, ValueError) as error:
            line = f":{lines[str(path)]}" if str(path) in lines else ""
            raise SpaceError(f"{file}{line}: {path}: {error}") from error
        dimensions.append(dimension)
    return dimensions


def _choices(given: Any) -> tuple[Any, ...] | Range:
    if isinstance(given, Sequence) and not isinstance(given, str) and given:
        return tuple(given)
    if not isinstance(given, Mapping):
        raise TypeError(f"should be a list of values, or {{low: 1, high: 8}}, not {short(given)}")
    try:
        found = Range.model_validate(given)
    except ValidationError as error:
        raise ValueError(first_problem(error, "key", Range.model_fields)) from None
    if not found.low < found.high or (found.log and found.low <= 0):
        raise ValueError(f"low should be below high, and above 0 with log; not {found.low} and {found.high}")
    return found


def _check(dimension: Dimension, spec: GraphSpec, check: Check) -> None:
    parts = dimension.path.split(".")
    if len(parts) != 3 or parts[0] != "nodes":
        raise ValueError("a setting is written nodes.NODE.KEY")
    if parts[1] not in spec.nodes:
        raise ValueError(unknown("node", parts[1], spec.nodes))
    before = set(map(str, check(spec)))
    for value in dimension.extremes:
        problems = [each for each in check(changed(spec, {dimension.path: value})) if str(each) not in before]
        if problems:
            raise ValueError(problems[0].message)

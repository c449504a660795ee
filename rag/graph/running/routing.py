"""What comes after a node: its edges, or the first of its decisions that says where to go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import NodeError
from ..flow import Decision
from ..plan import Plan
from ..spec import END
from ..state import RagState
from .channels import ENDED, ROUNDS


@dataclass(frozen=True, slots=True)
class Route:
    """Where a run goes on.

    Attributes:
        targets: what comes next by decision; edges are langgraph's own.
        update: the graph's own channels.
        notes: what was decided and why, for the trace.
    """

    targets: tuple[str, ...] = ()
    update: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Router:
    """Decides what comes after one node."""

    def __init__(self, plan: Plan, source: str) -> None:
        """Decide after `source`."""
        self._source = source
        self._decisions = plan.flow.decisions_from(source)
        self._conditions = plan.conditions
        self._by_edge = Route(update={ENDED: True}) if END in plan.flow.targets(source) else Route()

    def route(self, state: RagState, rounds: dict[str, int]) -> Route:
        """Where to go from `state`, when bounded decisions have been taken as often as `rounds` says.

        Raises:
            NodeError: a predicate failed.
        """
        if not self._decisions:
            return self._by_edge
        notes: list[str] = []
        for decision in self._decisions:
            targets, update, note = self._decide(decision, state, rounds)
            notes.append(note)
            if targets:
                ended = {ENDED: True} if END in targets else {}
                return Route(tuple(targets), {**update, **ended}, tuple(notes))
        return Route(notes=tuple(notes))

    def _decide(
        self, decision: Decision, state: RagState, rounds: dict[str, int]
    ) -> tuple[tuple[str, ...], dict[str, Any], str]:
        spec, key = decision.spec, str(decision.item)
        taken = rounds.get(key, 0)
        holds, found = self._ask(decision, state)
        if not holds:
            return spec.otherwise, {}, _note(found, spec.otherwise)
        if spec.at_most is not None and taken >= spec.at_most:
            return spec.otherwise, {}, _note(f"{found}, but {taken} times already", spec.otherwise)
        update = {} if spec.at_most is None else {ROUNDS: {key: taken + 1}}
        return spec.then, update, _note(found, spec.then)

    def _ask(self, decision: Decision, state: RagState) -> tuple[bool, str]:
        try:
            return self._conditions[decision.item].ask(state)
        except Exception as error:
            said = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise NodeError(self._source, f"failed: the condition {decision.spec.when!r}: {said}") from error


def _note(reason: str, targets: tuple[str, ...]) -> str:
    return f"{reason} -> {', '.join(targets)}" if targets else reason

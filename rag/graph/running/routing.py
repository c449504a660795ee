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
        decisions: the place of each decision that was asked, and whether its `then` was taken.
    """

    targets: tuple[str, ...] = ()
    update: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    decisions: tuple[tuple[int, bool], ...] = ()


class Router:
    """Decides what comes after one node."""

    def __init__(self, plan: Plan, source: str) -> None:
        """Decide after `source`."""
        self._source = source
        self._decisions = plan.flow.decisions_from(source)
        self._conditions = plan.conditions
        self._by_edge = Route(update={ENDED: True}) if END in plan.flow.targets(source) else Route()

    @property
    def decides(self) -> bool:
        """Whether the node goes on by decisions, which may take their time, not by edges."""
        return bool(self._decisions)

    def route(self, state: RagState, rounds: dict[str, int]) -> Route:
        """Where to go from `state`, when bounded decisions have been taken as often as `rounds` says.

        Raises:
            NodeError: a predicate failed.
        """
        if not self._decisions:
            return self._by_edge
        notes: list[str] = []
        decided: list[tuple[int, bool]] = []
        for decision in self._decisions:
            spec, key = decision.spec, str(decision.item)
            taken = rounds.get(key, 0)
            holds, found = self._ask(decision, state)
            is_spent = spec.at_most is not None and taken >= spec.at_most
            then = holds and not is_spent
            targets = spec.then if then else spec.otherwise
            reason = f"{found}, but at most {taken}" if holds and is_spent else found
            notes.append(f"{reason} -> {', '.join(targets)}" if targets else reason)
            decided.append((decision.item, then))
            if targets:
                rounds_now = {ROUNDS: {key: taken + 1}} if then and spec.at_most is not None else {}
                ended = {ENDED: True} if END in targets else {}
                return Route(targets, {**rounds_now, **ended}, tuple(notes), tuple(decided))
        return Route(notes=tuple(notes), decisions=tuple(decided))

    def _ask(self, decision: Decision, state: RagState) -> tuple[bool, str]:
        try:
            return self._conditions[decision.item].ask(state)
        except Exception as error:
            said = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise NodeError(self._source, f"failed: the condition {decision.spec.when!r}: {said}") from error

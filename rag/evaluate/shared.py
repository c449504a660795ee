"""Results of nodes that graphs share: what one graph has worked out for a question, another one does not again.

A result is shared by nodes of the same name, type, parameters, corpus and LLM that were given the same. "The same" are
the very objects: a shared beginning hands on what it was handed, so that comparing costs next to nothing, and a node
further on sees that its input is shared, too. A node that runs again in one run, as in a loop, is another node the
second time.

What was shared still has its price: a run's trace says of each node what making its result cost, and what the node
remarked, whoever made it.
"""

from __future__ import annotations

import json
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..graph.context import Context
from ..graph.plan import PlannedNode
from ..graph.running.caching import made_with, read_fields
from ..graph.state import NodeTrace, RagState
from ..llm.counting import tokens_so_far

Update = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A result in the making: since when, of which inputs, and what its node says of it."""

    since: float
    inputs: Sequence[object]
    context: Context

    def cost(self) -> dict[str, Any]:
        """What it has cost so far, by fields of `NodeTrace`."""
        tokens = tokens_so_far()
        return {
            "milliseconds": (time.perf_counter() - self.since) * 1000,
            "tokens_in": tokens.read,
            "tokens_out": tokens.written,
            "tokens_reused": tokens.reused,
            "documents_read": sum(self.context.shown),
        }


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result, what making it cost, and the objects that its key names by identity, which must not go before it."""

    update: Update
    cost: Mapping[str, Any]
    notes: Sequence[str]
    inputs: Sequence[object]

    def priced(self, trace: NodeTrace) -> NodeTrace:
        """The trace of a node that was given the result, as if it had made it."""
        detail = "; ".join(filter(None, [*self.notes, trace.detail]))
        return replace(trace, detail=detail, **self.cost)


class SharedResults:
    """Keeps results of nodes in memory, for graphs that run one after the other (`RagGraph(cache=...)`)."""

    def __init__(self, limit: int | None = None) -> None:
        """Keep `limit` results, those that were used last; None: all, but only until the next question."""
        self._limit = limit
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._begun: dict[Hashable, _Begun] = {}
        self._shared: dict[tuple[str, int], _Kept] = {}

    def begin(self) -> None:
        """A run begins."""
        self._begun.clear()
        self._shared.clear()

    def end_question(self) -> None:
        """All graphs have been asked a question; nobody will ask it again, unless results are kept for later graphs."""
        if self._limit is None:
            self._kept.clear()

    def priced(self, trace: Sequence[NodeTrace]) -> list[NodeTrace]:
        """The trace of the run that has ended; of shared results with what they cost when they were made."""
        times: Counter[str] = Counter()
        priced = []
        for each in trace:
            shared = self._shared.get((each.node, times[each.node]))
            times[each.node] += 1
            priced.append(shared.priced(each) if shared else each)
        return priced

    def keeps(self, node: PlannedNode) -> bool:
        """Whether results of this node are kept: wherever equal input has equal results."""
        return node.type is not None and node.type.is_cacheable

    def key(self, node: PlannedNode, state: RagState, context: Context) -> Hashable:
        """What the result of `node` depends on."""
        inputs = [getattr(state, name) for name in sorted(read_fields(node))]
        time_of_node = sum(each.node == context.node for each in state.trace)
        made = json.dumps(made_with(node, context), sort_keys=True, default=str)
        key = (made, context.node, time_of_node, tuple(map(_identity, inputs)))
        self._begun[key] = _Begun(time.perf_counter(), inputs, context)
        return key

    def get(self, key: Any) -> Update | None:
        """The result for a key, if there is one."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        self._shared[key[1:3]] = kept
        return kept.update

    def put(self, key: Any, update: Update) -> None:
        """Keep a result, and what it cost since its key was asked for."""
        begun = self._begun.pop(key, None)
        if begun is None:  # of a run that has ended
            return
        self._kept[key] = _Kept(update, begun.cost(), tuple(begun.context.notes), begun.inputs)
        while self._limit is not None and len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def close(self) -> None:
        """Nothing: the results are shared with other graphs."""


def _identity(value: Any) -> Hashable:
    """Equal for the very same object, and for equal plain values."""
    if value is None or isinstance(value, str | int | float):
        return type(value), value  # True is not 1
    if isinstance(value, Mapping):
        return dict, tuple((name, _identity(value[name])) for name in sorted(value))
    if isinstance(value, list | tuple) and not value:
        return type(value), ()
    return "at", id(value)
